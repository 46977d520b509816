//! Percentile curves as SVG. As in HdrHistogram's plotter, every nine of the axis gets the same
//! room. Draws with the page's CSS classes only: no colour, font or script of its own.

use super::figures::span;
use super::hdr::Point;
use std::fmt::Write;

/// One curve: its legend and its points, quantiles rising.
pub(crate) struct Curve<'a> {
    /// The legend.
    pub(crate) name: &'a str,
    /// Its classes; must be free of markup.
    pub(crate) class: String,
    /// Quantiles rising.
    pub(crate) points: &'a [Point],
}

/// Smallest and largest latency on a chart, in nanoseconds, both powers of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// The lower end.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// Room for the labels of the axes.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Nines that the axis shows, at most: beyond them there is only the maximum.
const NINES_MAX: f64 = 7.0;

impl Range {
    /// The decades that hold all these curves.
    pub(crate) fn around<'a>(curves: impl Iterator<Item = &'a [Point]>) -> Self {
        let ns = curves.flatten().map(|point| (point.us * 1e3).max(1.0));
        let (low, high) = ns.fold((f64::MAX, 1.0f64), |(low, high), ns| {
            (low.min(ns), high.max(ns))
        });
        let low = 10f64.powf(low.min(high).log10().floor());
        let high = 10f64.powf(high.log10().ceil()).max(low * 10.0);
        Self { low, high }
    }

    fn y(self, us: f64) -> f64 {
        let share = (us * 1e3).clamp(self.low, self.high) / self.low;
        let height = HEIGHT - TOP - BOTTOM;
        HEIGHT - BOTTOM - share.log10() / (self.high / self.low).log10() * height
    }
}

/// How many nines of quantile these curves reach: where the axis ends.
pub(crate) fn nines<'a>(curves: impl Iterator<Item = &'a [Point]>) -> f64 {
    let below_one = curves
        .flatten()
        .map(|point| point.quantile)
        .filter(|quantile| *quantile < 1.0);
    below_one
        .map(nines_of)
        .fold(2.0, f64::max)
        .ceil()
        .min(NINES_MAX)
}

fn nines_of(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// One chart. `title` must be free of markup.
pub(crate) fn chart(title: &str, curves: &[Curve<'_>], range: Range, nines: f64) -> String {
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n");
    let x = |quantile: f64| {
        let reached = if quantile < 1.0 {
            nines_of(quantile).min(nines)
        } else {
            nines
        };
        LEFT + reached / nines * (WIDTH - LEFT - RIGHT)
    };
    draw_latencies(&mut svg, range);
    draw_quantiles(&mut svg, nines, x);
    for curve in curves {
        push(
            &mut svg,
            format_args!("<polyline class=\"{}\" points=\"", curve.class),
        );
        for point in curve.points {
            push(
                &mut svg,
                format_args!("{:.1},{:.1} ", x(point.quantile), range.y(point.us)),
            );
        }
        svg.push_str("\"/>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_latencies(svg: &mut String, range: Range) {
    let mut ns = range.low;
    while ns <= range.high * 1.001 {
        let (y, right) = (range.y(ns / 1e3), WIDTH - RIGHT);
        push(
            svg,
            format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\n"),
        );
        let (label_x, label_y) = (LEFT - 8.0, y + 4.0);
        let label = span(ns.round() as u64).replace(".00", "").replace(".0", "");
        push(
            svg,
            format_args!("<text x=\"{label_x}\" y=\"{label_y:.1}\" class=\"end\">{label}</text>\n"),
        );
        ns *= 10.0;
    }
}

fn draw_quantiles(svg: &mut String, nines: f64, x: impl Fn(f64) -> f64) {
    for nine in 0..=nines as i32 {
        let quantile = 1.0 - 10f64.powi(-nine);
        let (at, bottom) = (x(quantile), HEIGHT - BOTTOM);
        push(
            svg,
            format_args!("<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\n"),
        );
        let decimals = (nine - 2).max(0) as usize;
        let (percent, label_y) = (100.0 * quantile, bottom + 20.0);
        push(
            svg,
            format_args!(
                "<text x=\"{at:.1}\" y=\"{label_y}\" class=\"mid\">{percent:.decimals$}%</text>\n"
            ),
        );
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // A string takes all.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nine_gets_the_same_room_and_the_maximum_stands_at_the_end() {
        let points = [0.0, 0.9, 0.99, 0.999, 1.0].map(|quantile| Point { quantile, us: 10.0 });
        let curves = [Curve {
            name: "ack",
            class: "c0".to_owned(),
            points: &points,
        }];
        let nines = nines([&points[..]].into_iter());
        assert_eq!(nines, 3.0);
        let range = Range::around([&points[..]].into_iter());
        let svg = chart("x", &curves, range, nines);
        let line = svg
            .lines()
            .find(|line| line.starts_with("<polyline"))
            .expect("a curve");
        let xs: Vec<f64> = line
            .split(['"', ' '])
            .filter_map(|pair| pair.split_once(',')?.0.parse().ok())
            .collect();
        assert_eq!(xs, [64.0, 244.0, 424.0, 604.0, 604.0]);
        for label in ["0%", "90%", "99%", "99.9%"] {
            assert!(svg.contains(&format!(">{label}</text>")), "{label}");
        }
    }

    #[test]
    fn a_range_is_whole_decades_around_the_values() {
        let range = |us: &[f64]| {
            let points: Vec<Point> = us
                .iter()
                .map(|us| Point {
                    quantile: 0.0,
                    us: *us,
                })
                .collect();
            let range = Range::around([&points[..]].into_iter());
            (range.low.round(), range.high.round())
        };
        assert_eq!(range(&[0.25, 80.0]), (100.0, 100_000.0));
        assert_eq!(range(&[1.0]), (1_000.0, 10_000.0));
        assert_eq!(range(&[0.0]), (1.0, 10.0));
        assert_eq!(range(&[]), (1.0, 10.0));
    }
}
