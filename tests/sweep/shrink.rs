//! Leaves out what a failure does not need.

use crate::case::Case;
use crate::ran::{Trusted, broken};

/// Worlds that are tried for that, at most.
const TRIES_MAX: usize = 200;

/// The least of a case that is broken still, the places of its steps, and how it is broken.
pub fn least(case: Case, mut how: String, trusted: &Trusted) -> (Case, Vec<usize>, String) {
    let mut kept: Vec<usize> = (0..case.steps.len()).collect();
    let mut tries = 0;
    // Large parts first, then one by one, until nothing more can go.
    let mut part = kept.len();
    while part > 0 {
        let before = kept.len();
        let mut from = 0;
        while from < kept.len() && tries < TRIES_MAX {
            tries += 1;
            let mut fewer = kept.clone();
            fewer.drain(from..kept.len().min(from + part));
            match broken(&case.clone().only(&fewer), trusted) {
                Some(still) => (kept, how) = (fewer, still),
                None => from += part,
            }
        }
        if kept.len() == before || part > 1 {
            part /= 2;
        }
    }
    (case.only(&kept), kept, how)
}
