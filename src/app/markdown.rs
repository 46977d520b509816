//! Tables that people read as they are, and that a document may hold. Knows no figure.

/// A table of these lines, the first of which is the heads of its columns; all have as many cells.
/// The first column stands to the left, the others to the right.
pub(super) fn table(lines: &[Vec<String>]) -> String {
    let heads = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().map(|cells| cells[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads).map(width).collect();
    let mut text = String::new();
    for (n, cells) in lines.iter().enumerate() {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let width = *width;
            text += &match column {
                0 => format!("| {cell:<width$} |"),
                _ => format!(" {cell:>width$} |"),
            };
        }
        text.push('\n');
        if n == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(*width + 1);
                text += &match column {
                    0 => format!("|{dashes}-|"),
                    _ => format!("{dashes}:|"),
                };
            }
            text.push('\n');
        }
    }
    text
}
