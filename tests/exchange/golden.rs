//! Golden frames of every exchange of the registry: what they say, and that they say the same when
//! an exchange changes what it may change. Names no exchange: each has its frames in
//! `src/exchange/*/golden/<name>.frames`.

use crate::forms;
use crate::frames::Golden;

#[test]
fn golden_frames_say_what_is_written_beside_them() {
    for mut golden in Golden::all() {
        let mut got = String::new();
        for frame in golden.frames.clone() {
            let said = golden.said(&frame);
            assert!(
                !said.starts_with("refused"),
                "{}: {frame}\n{said}",
                golden.exchange.name()
            );
            got.push_str(&said);
            got.push('\n');
        }
        let path = &golden.words_file;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &got).unwrap();
        }
        let want = std::fs::read_to_string(path).unwrap_or_default();
        let path = path.display();
        assert!(
            got == want,
            "{path} differs; UPDATE_GOLDEN=1 rewrites it, `git diff` judges it"
        );
        for word in ["Book(", "Diff(", "Trade("] {
            // If a snapshot is fetched there is no whole book in the stream, and some streams
            // have nothing else.
            let needed = word == "Trade(" || got.contains("Book(") == got.contains("Diff(");
            assert!(
                !needed || got.contains(word),
                "{path}: no frame says {word}…"
            );
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused_and_changes_nothing() {
    for mut golden in Golden::all() {
        for frame in golden.frames.clone() {
            let whole = golden.said(&frame);
            if !frame.starts_with(['{', '[']) {
                continue;
            }
            for end in (0..frame.len()).filter(|end| frame.is_char_boundary(*end)) {
                let said = golden.said(&frame[..end]);
                assert!(
                    said.starts_with("refused"),
                    "{}: {}",
                    golden.exchange.name(),
                    &frame[..end]
                );
            }
            assert_eq!(golden.said(&frame), whole);
        }
    }
}

/// Failure mode 20: unknown fields and events are passed over.
#[test]
fn unknown_fields_and_events_are_passed_over() {
    for mut golden in Golden::all() {
        let name = golden.exchange.name();
        for frame in golden.frames.clone() {
            let plain = golden.said(&frame);
            for changed in forms::with_unknown_fields(&frame) {
                assert_eq!(golden.said(&changed), plain, "{name}: {changed}");
            }
        }
        for frame in forms::UNKNOWN_EVENTS {
            let said = golden.said(frame);
            assert!(!said.contains('('), "{name}: {frame}\n{said}");
        }
    }
}

#[test]
fn numbers_mean_the_same_as_strings_as_numbers_and_with_exponents() {
    for mut golden in Golden::all() {
        let name = golden.exchange.name();
        for frame in golden.frames.clone() {
            let plain = golden.said(&frame);
            for (form, changed) in forms::of_numbers(&frame) {
                assert_eq!(golden.said(&changed), plain, "{name}, {form}: {changed}");
            }
        }
    }
}
