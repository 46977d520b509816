//! HdrHistogram's own file formats: interval logs (`.hlog`, V2) and percentile distributions
//! (`.hgrm`).
//!
//! The Java tools write both, and read ours. Opens no file: the caller hands in what to write to.

use super::latency::DIGITS;
use crate::base::UnixNanos;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::serialization::interval_log::{self, IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};
use std::io::{self, Write};
use std::time::Duration;

/// Nanoseconds in the unit of an interval's `Interval_Max` column, as in the Java writer: values
/// are nanoseconds, the column is milliseconds.
const INTERVAL_MAX_DIVISOR: f64 = 1e6;
/// Nanoseconds in the unit of a `.hgrm` file's values: microseconds.
pub(crate) const HGRM_UNIT_NS: f64 = 1e3;
/// Lines for each halving of the distance to 100 %.
const TICKS_PER_HALF_DISTANCE: u64 = 5;

/// Writes the lines of interval logs. One writer serves all logs of a run, because its buffers are
/// large.
#[derive(Default)]
pub(crate) struct IntervalEncoder {
    serializer: V2DeflateSerializer,
    bytes: Vec<u8>,
    text: String,
}

impl IntervalEncoder {
    /// Writes the head of a log that begins at `start`. Interval values are nanoseconds.
    pub(crate) fn begin(
        &mut self,
        out: &mut impl Write,
        start: UnixNanos,
        name: &str,
    ) -> io::Result<()> {
        interval_log::IntervalLogWriterBuilder::new()
            .add_comment(&format!(
                "[Logged by tickwire {}: stage {name}, values in nanoseconds]",
                env!("CARGO_PKG_VERSION")
            ))
            .with_start_time(std::time::UNIX_EPOCH + duration(start))
            .with_max_value_divisor(INTERVAL_MAX_DIVISOR)
            .begin_log_with(out, &mut self.serializer)?;
        let head =
            r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;
        writeln!(out, "{head}")
    }

    /// Writes one interval that began at `began` and lasted `length_ns`.
    ///
    /// It makes the line itself, because the crate's log writer borrows the file and the serializer
    /// for as long as the log is open.
    pub(crate) fn interval<T: Counter>(
        &mut self,
        out: &mut impl Write,
        values: &Histogram<T>,
        began: UnixNanos,
        length_ns: u64,
    ) -> io::Result<()> {
        self.bytes.clear();
        self.text.clear();
        self.serializer
            .serialize(values, &mut self.bytes)
            .map_err(io::Error::other)?;
        STANDARD.encode_string(&self.bytes, &mut self.text);
        writeln!(
            out,
            "{:.3},{:.3},{:.3},{}",
            duration(began).as_secs_f64(),
            Duration::from_nanos(length_ns).as_secs_f64(),
            values.max() as f64 / INTERVAL_MAX_DIVISOR,
            self.text
        )
    }
}

/// Writes the percentile distribution of `values` (nanoseconds) in microseconds, line for line what
/// Java's `outputPercentileDistribution(out, 5, 1000.0)` prints.
pub fn write_hgrm<T: Counter>(out: &mut impl Write, values: &Histogram<T>) -> io::Result<()> {
    let digits = usize::from(DIGITS);
    let (value, percentile) = ("Value", "Percentile");
    writeln!(
        out,
        "{value:>12} {percentile:>14} {:>10} {:>14}\n",
        "TotalCount", "1/(1-Percentile)"
    )?;
    let (mut total, mut level) = (0u64, 0.0f64);
    for step in values.iter_recorded() {
        total += step.count_since_last_iteration();
        let us = step.value_iterated_to() as f64 / HGRM_UNIT_NS;
        while 100.0 * total as f64 / values.len() as f64 >= level {
            // Levels are often exact ties in the 13th digit: Java rounds those up, `{:.12}` to
            // even.
            let trillionths = (level * 1e10).round() as u64;
            let inverse = 1.0 / (1.0 - level / 100.0);
            writeln!(
                out,
                "{us:12.digits$} 0.{trillionths:012} {total:10} {inverse:14.2}"
            )?;
            if total == values.len() {
                writeln!(out, "{us:12.digits$} {:.12} {total:10}", 1.0)?;
                break;
            }
            level += level_step(level);
        }
    }
    let (mean, deviation) = (values.mean() / HGRM_UNIT_NS, values.stdev() / HGRM_UNIT_NS);
    let max = values.max() as f64 / HGRM_UNIT_NS;
    // Sub-buckets hold `digits` digits at a resolution of one unit in two: Java's own rule.
    let sub_buckets = (2 * 10u64.pow(u32::from(values.sigfig()))).next_power_of_two();
    writeln!(
        out,
        "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]"
    )?;
    writeln!(
        out,
        "#[Max     = {max:12.digits$}, Total count    = {:12}]",
        values.len()
    )?;
    writeln!(
        out,
        "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]",
        values.buckets()
    )
}

/// All values of an interval log together, up to its last whole line: a run that was killed may
/// leave half a line behind. `None` if it has no values.
pub(crate) fn read_hlog(log: &[u8]) -> Option<Histogram<u64>> {
    let whole = log.iter().rposition(|byte| *byte == b'\n')? + 1;
    let mut all: Option<Histogram<u64>> = None;
    for entry in IntervalLogIterator::new(&log[..whole]) {
        let Ok(LogEntry::Interval(interval)) = entry else {
            continue;
        };
        let bytes = STANDARD.decode(interval.encoded_histogram()).ok()?;
        let values: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).ok()?;
        match &mut all {
            Some(all) => all.add(&values).ok()?,
            None => all = Some(values),
        }
    }
    all
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// 0 ..= 1.
    pub(crate) quantile: f64,
    /// The latency at this quantile, in microseconds.
    pub(crate) us: f64,
}

/// Reads the curve of a `.hgrm` file. The error names the line that it cannot read.
pub fn parse_hgrm(text: &str) -> Result<Vec<Point>, String> {
    let mut points = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut columns = line.split_ascii_whitespace();
        let (Some(value), Some(quantile)) = (columns.next(), columns.next()) else {
            continue;
        };
        if line.starts_with('#') || value == "Value" {
            continue;
        }
        let (us, quantile) = (value.parse::<f64>(), quantile.parse::<f64>());
        match (us, quantile) {
            (Ok(us), Ok(quantile))
                if us.is_finite() && us >= 0.0 && (0.0..=1.0).contains(&quantile) =>
            {
                points.push(Point { quantile, us });
            }
            _ => return Err(format!("line {}: no value and percentile", number + 1)),
        }
    }
    Ok(points)
}

/// How far the next line is from the one at `level` (percent): the distance to 100 % that was last
/// halved, cut into ticks.
fn level_step(level: f64) -> f64 {
    let halvings = (100.0 / (100.0 - level)).log2() as i32;
    100.0 / (TICKS_PER_HALF_DISTANCE as f64 * 2f64.powi(halvings + 1))
}

fn duration(time: UnixNanos) -> Duration {
    Duration::from_nanos(u64::try_from(time.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::latency::new_histogram;
    use super::*;

    const START: UnixNanos = UnixNanos(1_700_000_000_250_000_000);

    #[test]
    fn an_interval_log_reads_back_as_it_was_recorded() {
        let (mut log, mut encoder) = (Vec::new(), IntervalEncoder::default());
        encoder
            .begin(&mut log, START, "decode")
            .expect("a vector takes all");
        let mut intervals = Vec::new();
        for second in 0..3u64 {
            let mut values = new_histogram::<u32>(DIGITS);
            (0..=second).for_each(|n| values.saturating_record(1_000 * (n + 1)));
            let began = UnixNanos(START.0 + second as i64 * 1_000_000_000);
            encoder
                .interval(&mut log, &values, began, 1_000_000_000)
                .expect("a vector takes all");
            intervals.push(values);
        }
        let mut entries = IntervalLogIterator::new(&log);
        let Some(Ok(LogEntry::StartTime(start))) = entries.next() else {
            panic!("a start time first");
        };
        assert_eq!(start, Duration::from_millis(1_700_000_000_250));
        for (entry, values) in entries.by_ref().zip(&intervals) {
            let Ok(LogEntry::Interval(interval)) = entry else {
                panic!("an interval");
            };
            let bytes = STANDARD
                .decode(interval.encoded_histogram())
                .expect("base64");
            let read: Histogram<u32> = Deserializer::new()
                .deserialize(&mut &bytes[..])
                .expect("V2");
            assert_eq!(&read, values);
            assert_eq!(interval.duration(), Duration::from_secs(1));
            assert_eq!(interval.tag(), None);
            assert_eq!(interval.max(), (values.max() as f64 / 1e3).round() / 1e3);
        }
        assert!(entries.next().is_none());
    }

    #[test]
    fn a_distribution_prints_as_java_prints_it() {
        let mut values = new_histogram::<u64>(DIGITS);
        (1..=100_000u64).for_each(|n| values.saturating_record(n * 10));
        values.saturating_record(5_000_000);
        assert_eq!(hgrm(&values), include_str!("hgrm_golden.txt"));
    }

    #[test]
    fn an_empty_distribution_has_a_head_and_a_foot() {
        let text = hgrm(&new_histogram::<u64>(DIGITS));
        assert_eq!(text.lines().count(), 5, "{text}");
        assert_eq!(parse_hgrm(&text), Ok(Vec::new()));
    }

    #[test]
    fn a_curve_rises_from_zero_to_one_and_ends_at_the_maximum() {
        let mut values = new_histogram::<u64>(DIGITS);
        let mut dice = fastrand::Rng::with_seed(3);
        (0..50_000).for_each(|_| values.saturating_record(dice.u64(..) >> dice.u32(28..64)));
        let points = parse_hgrm(&hgrm(&values)).expect("our own file");
        assert!(points.windows(2).all(|pair| pair[0].us <= pair[1].us));
        assert!(
            points
                .windows(2)
                .all(|pair| pair[0].quantile < pair[1].quantile)
        );
        assert_eq!(points.first().map(|point| point.quantile), Some(0.0));
        let last = points.last().expect("not empty");
        assert_eq!(last.quantile, 1.0);
        assert!((last.us - values.max() as f64 / 1e3).abs() < 0.001);
        for point in points {
            let exact = values.value_at_quantile(point.quantile) as f64 / 1e3;
            assert!(point.us >= exact * 0.999 - 0.001, "{point:?} {exact}");
        }
    }

    #[test]
    fn a_broken_distribution_is_an_error_that_names_its_line() {
        for bad in ["x 0.5 1 2", "1.0 1.5 1", "NaN 0.5 1", "-1 0.5 1", "1.0 0,5"] {
            assert_eq!(
                parse_hgrm(&format!("Value Percentile\n\n{bad}\n")),
                Err("line 3: no value and percentile".to_owned())
            );
        }
    }

    fn hgrm(values: &Histogram<u64>) -> String {
        let mut out = Vec::new();
        write_hgrm(&mut out, values).expect("a vector takes all");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_log_that_was_cut_gives_all_values_of_its_whole_lines() {
        let (mut log, mut encoder) = (Vec::new(), IntervalEncoder::default());
        encoder.begin(&mut log, START, "decode").unwrap();
        assert!(read_hlog(&log).is_none(), "no interval yet");
        let mut ends = Vec::new();
        for n in 1..=3u64 {
            let mut values = new_histogram::<u32>(DIGITS);
            values.record_n(1_000 * n, 10).unwrap();
            encoder
                .interval(&mut log, &values, START, 1_000_000_000)
                .unwrap();
            ends.push(log.len());
        }
        assert_eq!(read_hlog(&log).unwrap().len(), 30);
        assert_eq!(read_hlog(&log[..ends[2] - 1]).unwrap().len(), 20);
        let two = read_hlog(&log[..ends[1]]).unwrap();
        assert_eq!((two.len(), two.max() / 1_000), (20, 2));
    }
}
