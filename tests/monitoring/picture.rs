//! Draws the panels of a dashboard from the results of their queries, as SVG. The picture has no background, and the colours have
//! enough contrast on a light and on a dark page. Knows the types of panels that the dashboard has; must not know a metric.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::fleet;

/// The size of one unit of Grafana's grid.
const UNIT: (f64, f64) = (50.0, 30.0);
const GREY: &str = "#767676";
const COLOURS: [&str; 8] =
    ["#3b82c4", "#d9722b", "#4a9a4a", "#b8579b", "#a08020", "#8a6fd1", "#c94f4f", "#3a9a9a"];

type Drawn = (Value, Vec<Vec<Value>>);

pub(crate) fn draw(panels: &[Drawn]) -> String {
    let number = |value: &Value| value.as_f64().unwrap();
    let bottom = |(panel, _): &Drawn| number(&panel["gridPos"]["y"]) + number(&panel["gridPos"]["h"]);
    let height = panels.iter().map(bottom).fold(0.0, f64::max) * UNIT.1;
    let width = 24.0 * UNIT.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"11\" fill=\"{GREY}\">\n\
         <title>The dashboard on six hours of two invented clusters</title>\n"
    );
    for (panel, series) in panels {
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| number(&place[side]));
        let mut panel_of =
            Panel { svg: &mut svg, x: x * UNIT.0, y: y * UNIT.1, w: w * UNIT.0, h: h * UNIT.1 };
        panel_of.draw(panel, series);
    }
    svg + "</svg>\n"
}

struct Panel<'a> {
    svg: &'a mut String,
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

impl Panel<'_> {
    fn draw(&mut self, panel: &Value, series: &[Vec<Value>]) {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            self.text(8.0, 20.0, "font-size=\"14\" font-weight=\"bold\"", title);
            return;
        }
        let (x, y, w, h) = (self.x + 2.0, self.y + 2.0, self.w - 4.0, self.h - 4.0);
        writeln!(
            self.svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"3\" fill=\"none\" stroke=\"{GREY}\" stroke-opacity=\"0.5\"/>"
        )
        .unwrap();
        self.text(10.0, 18.0, "font-weight=\"bold\"", title);
        let defaults = &panel["fieldConfig"]["defaults"];
        match panel["type"].as_str().unwrap() {
            "stat" => {
                let value = series[0].first().map_or(f64::NAN, |one| value(&one["value"]));
                let (x, y) = (self.w / 2.0, self.h / 2.0 + 22.0);
                self.text(x, y, "font-size=\"30\" text-anchor=\"middle\"", &shown(value, &defaults["unit"]));
            }
            "timeseries" => self.lines(panel, series, defaults),
            "table" => self.table(panel, series),
            other => panic!("a panel of a new type: {other}"),
        }
    }

    fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let (x, y) = (self.x + x, self.y + y);
        writeln!(self.svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>").unwrap();
    }

    fn lines(&mut self, panel: &Value, series: &[Vec<Value>], defaults: &Value) {
        let mut lines = Vec::new();
        for (target, of_target) in panel["targets"].as_array().unwrap().iter().zip(series) {
            for one in of_target {
                let points: Vec<(f64, f64)> = one["values"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|point| (point[0].as_f64().unwrap() - fleet::START as f64, value(point)))
                    .collect();
                lines.push((legend(target["legendFormat"].as_str().unwrap(), &one["metric"]), points));
            }
        }
        // How many names of lines are side by side.
        let beside = if self.w > 450.0 { 3 } else { 2 };
        let (left, right, top) = (62.0, self.w - 14.0, 32.0);
        let bottom = self.h - 26.0 - 14.0 * lines.len().div_ceil(beside) as f64;
        let values = lines.iter().flat_map(|(_, points)| points).map(|(_, value)| *value);
        let highest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let most = defaults["max"].as_f64().unwrap_or(if highest > 0.0 { highest * 1.1 } else { 1.0 });
        for part in 0..=2 {
            let (share, opacity) = (f64::from(part) / 2.0, if part == 0 { "1" } else { "0.35" });
            let y = bottom - (bottom - top) * share;
            self.path(GREY, opacity, 1.0, &[(left, y), (right, y)]);
            let label = shown(most * share, &defaults["unit"]);
            self.text(left - 6.0, y + 4.0, "text-anchor=\"end\"", &label);
        }
        for hour in 0..=fleet::HOURS {
            let x = left + (right - left) * hour as f64 / fleet::HOURS as f64;
            self.text(x, bottom + 15.0, "text-anchor=\"middle\"", &format!("{hour} h"));
        }
        for (index, (name, points)) in lines.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let place = |(time, value): &(f64, f64)| {
                let x = left + (right - left) * time / (fleet::HOURS * 3600) as f64;
                (x, bottom - (bottom - top) * (value / most).min(1.0))
            };
            // A gap in the data is a gap in the line.
            let finite: Vec<_> = points.iter().filter(|(_, value)| value.is_finite()).collect();
            for run in finite.chunk_by(|one, next| next.0 - one.0 < 300.0) {
                let mut placed: Vec<_> = run.iter().map(|point| place(point)).collect();
                if let [(x, y)] = placed[..] {
                    placed.push((x + 2.0, y));
                }
                self.path(colour, "1", 1.6, &placed);
            }
            let column = (index % beside) as f64 * (self.w - 20.0) / beside as f64;
            let y = bottom + 30.0 + 14.0 * (index / beside) as f64;
            self.text(10.0 + column, y, &format!("font-size=\"10\" fill=\"{colour}\""), &format!("— {name}"));
        }
    }

    fn path(&mut self, colour: &str, opacity: &str, width: f64, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            write!(path, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, self.x + x, self.y + y)
                .unwrap();
        }
        writeln!(
            self.svg,
            "<path fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"{opacity}\" stroke-width=\"{width}\" d=\"{path}\"/>"
        )
        .unwrap();
    }

    /// As Grafana's transformation `merge` does: a row for each object, with the labels and each target's value.
    fn table(&mut self, panel: &Value, series: &[Vec<Value>]) {
        let organize =
            panel["transformations"].as_array().unwrap().iter().find(|one| one["id"] == "organize").unwrap();
        let options = &organize["options"];
        let mut rows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (index, of_target) in series.iter().enumerate() {
            let column = if series.len() == 1 {
                "Value".to_owned()
            } else {
                format!("Value #{}", ["A", "B", "C"][index])
            };
            for one in of_target {
                let metric = one["metric"].as_object().unwrap();
                let object = ["cluster", "namespace", "name", "version"]
                    .map(|label| metric.get(label).map(ToString::to_string));
                let row = rows.entry(format!("{object:?}")).or_default();
                row.extend(
                    metric.iter().map(|(label, text)| (label.clone(), text.as_str().unwrap().to_owned())),
                );
                row.insert(
                    column.clone(),
                    shown(value(&one["value"]), &unit(panel, &options["renameByName"][&column])),
                );
            }
        }
        let mut columns: Vec<String> = rows.values().flat_map(|row| row.keys().cloned()).collect();
        columns.sort_by_key(|column| (options["indexByName"][column].as_i64().unwrap_or(99), column.clone()));
        columns.dedup();
        columns.retain(|column| options["excludeByName"][column] != true);
        let width = (self.w - 20.0) / columns.len() as f64;
        for (index, column) in columns.iter().enumerate() {
            let x = 10.0 + width * index as f64;
            let name = options["renameByName"][column].as_str().unwrap_or(column).to_owned();
            self.text(x, 38.0, "font-style=\"italic\"", &name);
            let fitting = ((self.h - 50.0) / 16.0) as usize;
            for (line, row) in rows.values().take(fitting).enumerate() {
                let text = row.get(column).cloned().unwrap_or_default();
                self.text(x, 56.0 + 16.0 * line as f64, "", &cut(&text, width));
            }
        }
    }
}

/// The unit of a column of a table.
fn unit(panel: &Value, name: &Value) -> Value {
    let mut overrides = panel["fieldConfig"]["overrides"].as_array().unwrap().iter();
    overrides
        .find(|one| one["matcher"]["options"] == *name)
        .map_or(Value::Null, |one| one["properties"][0]["value"].clone())
}

/// The text as far as it fits.
fn cut(text: &str, width: f64) -> String {
    let most = (width / 7.0) as usize;
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most - 1).collect::<String>() + "…"
    }
}

fn value(point: &Value) -> f64 {
    point[1].as_str().unwrap().parse().unwrap()
}

fn legend(format: &str, labels: &Value) -> String {
    labels.as_object().unwrap().iter().fold(format.to_owned(), |text, (label, value)| {
        text.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap())
    })
}

fn shown(value: f64, unit: &Value) -> String {
    let short = |value: f64| {
        let digits = if value == 0.0 || value.abs() >= 100.0 {
            0
        } else if value.abs() >= 1.0 {
            1
        } else {
            3
        };
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    match unit.as_str() {
        Some("percentunit") => format!("{:.2} %", value * 100.0),
        Some("bytes") => format!("{} MB", short(value / 1e6)),
        Some("s") => format!("{} s", short(value)),
        Some("cpm") => format!("{}/min", short(value)),
        Some("dtdurations") => format!("{} min", short((value / 60.0).round())),
        None => short(value),
        Some(other) => panic!("a new unit: {other}"),
    }
}
