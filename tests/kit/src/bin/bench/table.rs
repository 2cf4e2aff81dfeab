//! The table for one size: one row for each figure, with the lower bound beside the figure. Must not know the measurements.

/// A figure for one size of the fleet.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) measured: String,
    /// The figure of the bare client in the same run, and the ratio to it.
    pub(crate) floor: Option<(String, Option<f64>)>,
    pub(crate) goal: &'static str,
}

impl Figure {
    pub(crate) fn new(name: &'static str, measured: impl Into<String>, goal: &'static str) -> Self {
        Self { name, measured: measured.into(), floor: None, goal }
    }

    /// A figure with a lower bound of the same kind.
    pub(crate) fn over(
        name: &'static str,
        (measured, floor): (f64, f64),
        show: impl Fn(f64) -> String,
        goal: &'static str,
    ) -> Self {
        let floor = Some((show(floor), Some(measured / floor)));
        Self { name, measured: show(measured), floor, goal }
    }

    /// Adds a remark in place of the lower bound.
    pub(crate) fn beside(mut self, floor: impl Into<String>) -> Self {
        self.floor = Some((floor.into(), None));
        self
    }

    fn cells(&self) -> [String; 5] {
        let (floor, ratio) = self.floor.clone().unwrap_or_default();
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        [self.name.to_owned(), self.measured.clone(), floor, ratio, self.goal.to_owned()]
    }
}

/// All figures of one size, as Markdown that can be read as it is.
pub(crate) fn draw(size: usize, figures: &[Figure]) -> String {
    let heading =
        [format!("{size} TokenSources"), "measured".into(), "floor".into(), "ratio".into(), "goal".into()];
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |cells: &[String; 5]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
    };
    let rule = widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|");
    let mut text: String = rows.iter().map(line).collect();
    let end = text.find('\n').map_or(0, |at| at + 1);
    text.insert_str(end, &format!("|{rule}|\n"));
    text
}

pub(crate) fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

pub(crate) fn milliseconds(value: f64) -> String {
    format!("{value:.2} ms")
}

pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}
