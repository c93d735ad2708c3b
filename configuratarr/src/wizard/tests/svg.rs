//! A screen as a picture.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use system_tests::svg::{self, Stretch};

/// The screen as SVG.
pub fn svg(title: &str, buffer: &Buffer) -> String {
    let row = |row: u16| -> Vec<Stretch> {
        let cells: Vec<&Cell> = (0..buffer.area.width)
            .map(|column| &buffer[(column, row)])
            .collect();
        let stretches = cells.chunk_by(|one, other| look(one) == look(other));
        stretches
            .map(|stretch| Stretch {
                text: stretch.iter().map(|cell| cell.symbol()).collect(),
                ..look(stretch[0])
            })
            .collect()
    };
    let lines: Vec<Vec<Stretch>> = (0..buffer.area.height).map(row).collect();
    svg::svg(title, usize::from(buffer.area.width), &lines)
}

/// How a cell's text looks.
fn look(cell: &Cell) -> Stretch {
    let color = match cell.fg {
        Color::Green => Some(svg::GREEN),
        Color::Yellow => Some(svg::YELLOW),
        Color::Red => Some(svg::RED),
        Color::Reset => None,
        other => panic!("no picture has {other:?} yet"),
    };
    Stretch {
        text: String::new(),
        color,
        is_bold: cell.modifier.contains(Modifier::BOLD),
        is_faint: cell.modifier.contains(Modifier::DIM),
    }
}
