//! Curves over time as an SVG: panels one below the other, with one width and one time axis. Written by hand, because
//! charting crates assume one background: these pictures have none, and their colours have a contrast of 3 or more on a
//! light and on a dark background. Knows lines and words; must not know their meaning.

use std::fmt::Write as _;

use crate::clock::{Instant, MINUTE, SECOND};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 24.0;
const HEADER: f64 = 56.0;
const PANEL: f64 = 236.0;
/// The height of the text above a panel, and the height of the curves.
const ABOVE: f64 = 52.0;
const CURVES: f64 = 150.0;
/// The maximum number of points on a line.
const POINTS: usize = 400;

const GREY: &str = "#767676";
pub(crate) const COLOURS: [&str; 4] = ["#3b82c4", "#d9722b", "#3f9a5a", "#c2508f"];

pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) colour: &'static str,
    /// The values for each second.
    pub(crate) values: Vec<f64>,
}

pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) lines: Vec<Line>,
}

/// A marked time.
pub(crate) struct Mark {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) label: String,
}

pub(crate) struct Picture {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) length: Instant,
    pub(crate) marks: Vec<Mark>,
    pub(crate) panels: Vec<Panel>,
}

impl Picture {
    pub(crate) fn svg(&self) -> String {
        #[allow(clippy::cast_precision_loss)] // a handful
        let height = HEADER + PANEL * self.panels.len() as f64 + 18.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n<title>{}</title>\n",
            escaped(&self.title)
        );
        text(&mut svg, (12.0, 24.0), "start", "font-size=\"17\" font-weight=\"bold\"", &self.title);
        text(&mut svg, (12.0, 44.0), "start", "", &self.subtitle);
        let mut top = HEADER;
        for panel in &self.panels {
            self.panel(&mut svg, panel, top);
            top += PANEL;
        }
        text(
            &mut svg,
            ((LEFT + WIDTH - RIGHT) / 2.0, height - 8.0),
            "middle",
            "",
            &format!("time, in {}", self.unit().1),
        );
        svg.push_str("</svg>\n");
        svg
    }

    fn panel(&self, svg: &mut String, panel: &Panel, top: f64) {
        text(svg, (12.0, top + 20.0), "start", "font-weight=\"bold\"", &panel.title);
        let mut x = LEFT;
        for line in panel.lines.iter().filter(|line| !line.label.is_empty()) {
            let attributes = format!("fill=\"{}\"", line.colour);
            text(svg, (x, top + 40.0), "start", &attributes, &format!("— {}", line.label));
            #[allow(clippy::cast_precision_loss)] // a few words
            let width = line.label.chars().count() as f64 * 7.3;
            x += width + 42.0;
        }
        let (ceiling, floor) = (top + ABOVE, top + ABOVE + CURVES);
        let bins: Vec<_> = panel.lines.iter().map(|line| binned(&line.values)).collect();
        let greatest = bins.iter().flatten().copied().fold(0.0, f64::max);
        let most = greatest.max(1e-9);
        let step = step(most / 4.0);
        let most = (most / step).ceil() * step;
        let mut tick = 0.0;
        while tick <= most + step / 2.0 {
            let y = floor - CURVES * tick / most;
            rule(svg, (LEFT, y), (WIDTH - RIGHT, y), if tick == 0.0 { "1" } else { "0.35" });
            text(svg, (LEFT - 8.0, y + 4.0), "end", "", &number(tick));
            tick += step;
        }
        self.times(svg, ceiling, floor);
        for (line, bins) in panel.lines.iter().zip(&bins) {
            let path = path(bins, floor, most);
            let _ = writeln!(
                svg,
                "<path fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" d=\"{path}\"/>",
                line.colour
            );
        }
    }

    fn times(&self, svg: &mut String, ceiling: f64, floor: f64) {
        for mark in &self.marks {
            let (from, to) = (self.x(mark.from), self.x(mark.to));
            let width = (to - from).max(1.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{ceiling}\" width=\"{width:.1}\" height=\"{CURVES}\" fill=\"{GREY}\" fill-opacity=\"0.16\"/>"
            );
            if ceiling < HEADER + PANEL {
                text(svg, (from + 4.0, ceiling + 12.0), "start", "font-size=\"11\"", &mark.label);
            }
        }
        #[allow(clippy::cast_precision_loss)] // hours in microseconds
        let (length, unit) = (self.length as f64, self.unit().0 as f64);
        let step = step(length / unit / 8.0).max(1.0);
        let mut tick = 0.0;
        while tick * unit <= length {
            let x = LEFT + (WIDTH - LEFT - RIGHT) * tick * unit / length;
            rule(svg, (x, floor), (x, floor + 4.0), "1");
            text(svg, (x, floor + 17.0), "middle", "", &number(tick));
            tick += step;
        }
    }

    #[allow(clippy::cast_precision_loss)] // hours in microseconds
    fn x(&self, when: Instant) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * when as f64 / self.length as f64
    }

    fn unit(&self) -> (Instant, &'static str) {
        match self.length {
            length if length > 300 * MINUTE => (60 * MINUTE, "hours"),
            length if length > 5 * MINUTE => (MINUTE, "minutes"),
            _ => (SECOND, "seconds"),
        }
    }
}

/// The number of seconds for one point of a line, at least ten: their mean is shown.
pub(crate) fn bin(seconds: usize) -> usize {
    seconds.div_ceil(POINTS).next_multiple_of(10)
}

#[allow(clippy::cast_precision_loss)] // a handful
fn binned(values: &[f64]) -> Vec<f64> {
    values.chunks(bin(values.len())).map(|bin| bin.iter().sum::<f64>() / bin.len() as f64).collect()
}

#[allow(clippy::cast_precision_loss)] // some hundreds
fn path(bins: &[f64], floor: f64, most: f64) -> String {
    let width = (WIDTH - LEFT - RIGHT) / bins.len() as f64;
    let mut path = String::new();
    for (index, value) in bins.iter().enumerate() {
        let (x, y) = (LEFT + width * (index as f64 + 0.5), floor - CURVES * value.min(most) / most);
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
    }
    path
}

/// The smallest value from `least` on that is 1, 2 or 5 times a power of ten.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap()
}

/// The number as text, with commas between thousands.
fn number(value: f64) -> String {
    if value.fract().abs() > 1e-6 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), opacity: &str) {
    let _ = writeln!(
        svg,
        "<path stroke=\"{GREY}\" stroke-opacity=\"{opacity}\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>"
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, attributes: &str, words: &str) {
    let words = escaped(words);
    let _ =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {attributes}>{words}</text>");
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}
