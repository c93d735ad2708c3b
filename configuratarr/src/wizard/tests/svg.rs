//! A screen as a picture.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// Width and height of a cell, in pixels, and the margin around all of them.
const CELL: (u32, u32) = (9, 19);
const MARGIN: u32 = 14;

/// The screen as SVG: one text for each stretch of cells that look the same, at the place where it begins.
pub fn svg(title: &str, buffer: &Buffer) -> String {
    let (columns, rows) = (u32::from(buffer.area.width), u32::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1d2027\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"15\" fill=\"#d7dae0\" xml:space=\"preserve\">\n",
        escaped(title)
    );
    for row in 0..buffer.area.height {
        let cells: Vec<&Cell> = (0..buffer.area.width)
            .map(|column| &buffer[(column, row)])
            .collect();
        let mut column = 0;
        for stretch in cells.chunk_by(|one, other| look(one) == look(other)) {
            let words: String = stretch.iter().map(|cell| cell.symbol()).collect();
            let begins = words.len() - words.trim_start().len();
            if !words.trim().is_empty() {
                let words = words.trim();
                let length = u32::try_from(words.chars().count()).unwrap() * CELL.0;
                writeln!(
                    text,
                    "<text x=\"{}\" y=\"{}\" textLength=\"{length}\"{}>{}</text>",
                    MARGIN + (column + u32::try_from(begins).unwrap()) * CELL.0,
                    MARGIN + u32::from(row) * CELL.1 + 15,
                    look(stretch[0]),
                    escaped(words)
                )
                .unwrap();
            }
            column += u32::try_from(stretch.len()).unwrap();
        }
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// Attributes of a cell's text.
fn look(cell: &Cell) -> String {
    let mut look = String::new();
    let color = match cell.fg {
        Color::Green => Some("#8fcf70"),
        Color::Yellow => Some("#e6c15c"),
        Color::Red => Some("#f07178"),
        Color::Reset => None,
        other => panic!("no picture has {other:?} yet"),
    };
    if let Some(color) = color {
        write!(look, " fill=\"{color}\"").unwrap();
    }
    if cell.modifier.contains(Modifier::BOLD) {
        look.push_str(" font-weight=\"bold\"");
    }
    if cell.modifier.contains(Modifier::DIM) {
        look.push_str(" fill-opacity=\"0.65\"");
    }
    look
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
