//! Formats rows as columns. Knows widths; must not know what the cells mean.

use std::fmt::Write as _;

use anstyle::Style;

use super::output::harmless;

/// One cell: its text, and its style on a terminal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: harmless(&text.into()), style }
    }
}

/// The rows below their heading. Each column is as wide as its widest cell, with three spaces to the next column. The
/// sequences of styles do not count as width.
pub(super) fn table(heading: &[&str], rows: &[Vec<Cell>]) -> String {
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
            cells.chain([title.len()]).max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    let heading: Vec<Cell> = heading.iter().map(|title| Cell::plain(*title)).collect();
    for row in [&heading].into_iter().chain(rows) {
        line(&mut text, row, &widths);
    }
    text
}

fn line(text: &mut String, row: &[Cell], widths: &[usize]) {
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let width = if column + 1 == row.len() { 0 } else { width + 3 };
        let padding = " ".repeat(width.saturating_sub(cell.text.chars().count()));
        let _ = write!(text, "{}{}{}{padding}", cell.style.render(), cell.text, cell.style.render_reset());
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_their_widest_cell_and_styles_add_no_width() {
        let rows = [
            vec![Cell::plain("short"), Cell::styled("False", Style::new().bold()), Cell::plain("1")],
            vec![Cell::plain("höchst-länglich"), Cell::plain("-"), Cell::plain("22")],
        ];
        let text = anstream::adapter::strip_str(&table(&["NAME", "READY", "N"], &rows)).to_string();
        assert_eq!(
            text,
            "NAME              READY   N\n\
             short             False   1\n\
             höchst-länglich   -       22\n"
        );
    }

    #[test]
    fn table_without_rows_has_a_heading() {
        assert_eq!(table(&["A", "B"], &[]), "A   B\n");
    }
}
