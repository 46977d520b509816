//! `tickwire report`: reads what a run left behind, and says clearly when it is not that.

use std::fs;
use std::path::Path;
use tickwire::app::report::{ReportArgs, report};
use tickwire::base::{Nanos, Span};
use tickwire::watch::hdr::write_hgrm;
use tickwire::watch::summary::{StageLatency, Summary};
use tickwire::watch::{Histograms, Stage, Totals};

#[test]
fn a_run_is_shown_again_as_tables_and_as_a_page() {
    let (one, two) = (
        tempfile::tempdir().expect("a"),
        tempfile::tempdir().expect("b"),
    );
    leave_run(one.path(), 1);
    leave_run(two.path(), 3);
    let text = report(&args(one.path(), None)).expect("a run");
    assert!(text.contains("tick_to_wire"), "{text}");
    assert!(page(one.path()).matches("<polyline").count() >= 2);

    let text = report(&args(one.path(), Some(two.path()))).expect("two runs");
    assert!(text.contains("against"), "{text}");
    assert!(page(one.path()).contains(&two.path().display().to_string()));
    assert!(!two.path().join("report.html").exists());
}

#[test]
fn what_is_no_run_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = report(&args(dir.path(), None)).expect_err("empty");
    assert!(
        error.contains("is no run's directory: cannot read"),
        "{error}"
    );
    assert!(error.contains("summary.json"), "{error}");

    fs::write(dir.path().join("summary.json"), "{\"books\": 3}").expect("written");
    let error = report(&args(dir.path(), None)).expect_err("no summary");
    assert!(error.contains("is no run's summary"), "{error}");

    leave_run(dir.path(), 1);
    fs::write(dir.path().join("latency/decode.hgrm"), "x y z\n").expect("written");
    let error = report(&args(dir.path(), None)).expect_err("a broken curve");
    assert!(error.contains("decode.hgrm: line 1"), "{error}");

    fs::remove_file(dir.path().join("latency/decode.hgrm")).expect("it was there");
    let error = report(&args(dir.path(), None)).expect_err("a curve is missing");
    assert!(
        error.contains("cannot read") && error.contains("decode.hgrm"),
        "{error}"
    );
}

#[test]
fn a_stage_of_a_later_version_is_left_out_and_never_becomes_a_path() {
    let dir = tempfile::tempdir().expect("a directory");
    leave_run(dir.path(), 1);
    let path = dir.path().join("summary.json");
    let json = fs::read_to_string(&path).expect("there");
    fs::write(&path, json.replace("\"decode\"", "\"../../secret\"")).expect("written");
    report(&args(dir.path(), None)).expect("the other stages are shown");
}

fn args(dir: &Path, against: Option<&Path>) -> ReportArgs {
    ReportArgs {
        dir: dir.to_path_buf(),
        against: against.map(Path::to_path_buf),
    }
}

fn page(dir: &Path) -> String {
    fs::read_to_string(dir.join("report.html")).expect("a page")
}

/// Leaves a run of a few thousand values behind, `slow` times as slow.
fn leave_run(dir: &Path, slow: u64) {
    let stages = [Stage::Decode, Stage::TickToWire];
    let (mut histograms, mut collector) = Histograms::new(0, &stages);
    for n in 1..5_000u64 {
        histograms.record(Stage::Decode, Span(slow * (1_000 + n)));
        histograms.record(Stage::TickToWire, Span(slow * (13_000 + 10 * n)));
    }
    histograms.finish(Nanos(1));
    let mut totals = Totals::default();
    collector.collect(&mut totals, &mut |_, _, _, _| {});
    fs::create_dir_all(dir.join("latency")).expect("made");
    for stage in stages {
        let mut text = Vec::new();
        write_hgrm(&mut text, totals.stage(stage).expect("recorded")).expect("written");
        let path = dir.join(format!("latency/{}.hgrm", stage.name()));
        fs::write(path, text).expect("written");
    }
    let summary = Summary {
        version: "0.1.0".to_owned(),
        started: "2026-11-22T16:38:00Z".to_owned(),
        duration_ns: 1,
        wait: "park".to_owned(),
        mode: "paper".to_owned(),
        stages: StageLatency::all(&totals),
        ended: true,
        ..Summary::default()
    };
    let json = serde_json::to_string_pretty(&summary).expect("plain data");
    fs::write(dir.join("summary.json"), json).expect("written");
}
