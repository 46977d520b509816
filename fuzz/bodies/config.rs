//! Any text as a configuration file, and as a file of what simulated exchanges list: a
//! configuration or words about what is wrong, twice the same.

use crate::app::config::{Config, ConfigErrors, Known, parse_coins};
use std::path::Path;

pub(super) fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return; // Whoever reads a file says so before anybody parses it.
    };
    let path = Path::new("fuzz.toml");
    let parse = || Config::parse(path, text, &Known::all());
    let config = parse();
    if let Err(errors) = &config {
        check(errors, text);
    }
    // As text: a value may be a number that equals nothing.
    assert_eq!(format!("{config:?}"), format!("{:?}", parse()));
    if let Err(errors) = parse_coins(path, text) {
        check(&errors, text);
    }
}

/// Each error is one line about a place that is there.
fn check(errors: &ConfigErrors, text: &str) {
    assert!(!errors.0.is_empty());
    assert!(
        errors
            .0
            .is_sorted_by_key(|error| (error.line, error.column))
    );
    for error in &errors.0 {
        assert!(!error.what.is_empty());
        assert!(!error.what.contains('\n'), "{error}");
        assert!(error.line <= text.split('\n').count(), "{error}");
    }
    assert!(!errors.to_string().is_empty());
}
