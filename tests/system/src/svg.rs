//! What a terminal shows, as a picture: SVG.

use std::fmt::Write;

/// Width and height of a cell, in pixels, and the margin around all of them.
const CELL: (usize, usize) = (9, 19);
const MARGIN: usize = 14;

/// Text that looks the same from its first to its last letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The text, each of whose characters takes one cell.
    pub text: String,
    /// Its colour: `#8fcf70`. None is the terminal's own.
    pub color: Option<&'static str>,
    /// Whether it is bold.
    pub is_bold: bool,
    /// Whether it is faint.
    pub is_faint: bool,
}

/// Green, as it is drawn.
pub const GREEN: &str = "#8fcf70";
/// Yellow.
pub const YELLOW: &str = "#e6c15c";
/// Red.
pub const RED: &str = "#f07178";

/// Lines as SVG: one text for each stretch, at the place where it begins. `columns` is the width of the picture.
pub fn svg(title: &str, columns: usize, lines: &[Vec<Stretch>]) -> String {
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, lines.len() * CELL.1 + 2 * MARGIN);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1d2027\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"15\" fill=\"#d7dae0\" xml:space=\"preserve\">\n",
        escaped(title)
    );
    for (row, line) in lines.iter().enumerate() {
        let mut column = 0;
        for stretch in line {
            let words = stretch.text.trim();
            let begins = stretch.text.chars().count() - stretch.text.trim_start().chars().count();
            if !words.is_empty() {
                // Text cannot fail to be written into text.
                let _ = writeln!(
                    picture,
                    "<text x=\"{}\" y=\"{}\" textLength=\"{}\"{}>{}</text>",
                    MARGIN + (column + begins) * CELL.0,
                    MARGIN + row * CELL.1 + 15,
                    words.chars().count() * CELL.0,
                    look(stretch),
                    escaped(words)
                );
            }
            column += stretch.text.chars().count();
        }
    }
    picture.push_str("</g>\n</svg>\n");
    picture
}

/// Attributes of a stretch.
fn look(stretch: &Stretch) -> String {
    let mut look = String::new();
    if let Some(color) = stretch.color {
        look = format!(" fill=\"{color}\"");
    }
    if stretch.is_bold {
        look.push_str(" font-weight=\"bold\"");
    }
    if stretch.is_faint {
        look.push_str(" fill-opacity=\"0.65\"");
    }
    look
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
