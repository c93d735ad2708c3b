//! One panel, drawn from what Prometheus answers to its queries.

use anyhow::{Result, bail, ensure};

use super::answers::{Asked, Cell, Series, Table};
use super::canvas::{Anchor, Area, Canvas, FAINT, GRID, INK, LINES, Words, hex};
use super::form::{ColorMode, Field, Kind, Panel};
use super::scale::{Axis, bends};
use super::units::formatted;

/// How high a title is, a line of names below a panel, and a row of a table.
const TITLE: f64 = 32.0;
const LEGEND: f64 = 20.0;
const ROW: f64 = 34.0;

/// Room on the left for what stands at an axis.
const AXIS: f64 = 70.0;

/// Room below for the days.
const DAYS: f64 = 22.0;

const SMALL: Words = Words::of(12.0);
const CELL: Words = Words::of(14.0);

/// Draws it there.
pub fn draw(canvas: &mut Canvas, area: Area, panel: &Panel, asked: &Asked<'_>) -> Result<()> {
    let title = asked.chosen.title(&panel.title)?;
    canvas.open(&panel.description);
    if panel.kind == Kind::Row {
        ensure!(panel.targets.is_empty(), "a row has no queries");
        canvas.words((area.x + 4.0, area.y + 20.0), &title, Words::of(16.0).bold());
        canvas.close();
        return Ok(());
    }
    canvas.ground(area);
    let words = Words::of(14.0).bold();
    let title = words.cut(&title, area.w - 20.0);
    canvas.words((area.x + 10.0, area.y + 21.0), &title, words);
    let inside = area.without(10.0, TITLE, 10.0, 8.0);
    match panel.kind {
        Kind::Row => {}
        Kind::Stat => stat(canvas, inside, panel, &asked.last(panel)?),
        Kind::Table => table(canvas, inside, panel, &asked.table(panel)?)?,
        Kind::TimeSeries => lines(canvas, inside, panel, asked)?,
        Kind::StateTimeline => states(canvas, inside, panel, asked)?,
    }
    canvas.close();
    Ok(())
}

/// A value as it is shown, and its colour if it has one.
fn shown(cell: &Cell, field: &Field) -> (String, Option<&'static str>) {
    let (key, text, color) = match cell {
        Cell::Number(number) => (
            number.to_string(),
            formatted(*number, field.unit),
            field.color_of(*number),
        ),
        Cell::Text(text) => (text.clone(), text.clone(), None),
    };
    let mapped = field.mapped(&key);
    let color = mapped.and_then(|mapped| mapped.color).or(color);
    let text = mapped.and_then(|mapped| mapped.text.clone()).unwrap_or(text);
    (text, color.map(hex))
}

/// One large number, or several side by side.
fn stat(canvas: &mut Canvas, area: Area, panel: &Panel, found: &[(String, f64)]) {
    if found.is_empty() {
        no_data(canvas, area);
        return;
    }
    let width = share(area.w, found.len());
    let mut x = area.x;
    for (name, number) in found {
        let field = panel.field_config.of(name);
        let (text, color) = shown(&Cell::Number(*number), &field);
        let fill = match panel.options.color_mode {
            ColorMode::None => INK,
            ColorMode::Value => color.unwrap_or(INK),
        };
        let mut words = Words::of(40.0).at(Anchor::Middle).bold().filled(fill);
        // As much as is left beside the next one.
        let wide = words.width(&text) / 0.94;
        if wide > width {
            words.size *= width / wide;
        }
        let middle = (x + width / 2.0, area.y + area.h / 2.0 + words.size * 0.36);
        canvas.words(middle, &text, words);
        if found.len() > 1 {
            let name = SMALL.cut(name, width);
            canvas.words(
                (middle.0, area.bottom()),
                &name,
                SMALL.filled(FAINT).at(Anchor::Middle),
            );
        }
        x += width;
    }
}

/// A row each, numbers to the right.
fn table(canvas: &mut Canvas, area: Area, panel: &Panel, table: &Table) -> Result<()> {
    if table.rows.is_empty() {
        no_data(canvas, area);
        return Ok(());
    }
    let needed = ROW * (count(table.rows.len()) + 1.0);
    ensure!(
        needed <= area.h,
        "there is room for fewer than its {} rows: make the panel higher",
        table.rows.len()
    );
    let width = share(area.w, table.columns.len());
    for (column, name) in table.columns.iter().enumerate() {
        let field = panel.field_config.of(name);
        let left = area.x + width * count(column);
        let is_number = table
            .rows
            .iter()
            .any(|row| matches!(row.get(column), Some(Some(Cell::Number(_)))));
        let (x, anchor) = match is_number {
            true => (left + width - 14.0, Anchor::End),
            false => (left + 2.0, Anchor::Start),
        };
        canvas.words((x, area.y + 22.0), name, SMALL.filled(FAINT).at(anchor).bold());
        for (place, row) in table.rows.iter().enumerate() {
            let (text, color) = match row.get(column).cloned().flatten() {
                Some(cell) => shown(&cell, &field),
                None => (field.no_value.clone().unwrap_or_default(), None),
            };
            let fill = color.filter(|_| field.is_colored).unwrap_or(INK);
            let y = area.y + ROW * (count(place) + 1.0);
            canvas.words((x, y + 22.0), &text, CELL.filled(fill).at(anchor));
        }
    }
    for place in 0..table.rows.len() {
        let y = area.y + ROW * (count(place) + 1.0);
        canvas.path(&[(area.x, y), (area.right(), y)], GRID, 1.0);
    }
    Ok(())
}

/// A line each, with what they are called below.
fn lines(canvas: &mut Canvas, area: Area, panel: &Panel, asked: &Asked<'_>) -> Result<()> {
    let found = asked.through(panel)?;
    if found.is_empty() {
        no_data(canvas, area);
        return Ok(());
    }
    let unit = panel.field_config.defaults.unit;
    let names = match panel.options.legend.show_legend {
        true => legend(canvas, area, &found),
        false => 0.0,
    };
    let plot = area.without(AXIS, 4.0, 6.0, names + DAYS);
    let numbers = found
        .iter()
        .flat_map(|series| series.points.iter().map(|(_, number)| *number));
    let axis = Axis::of(numbers, unit);
    for line in axis.lines() {
        let y = plot.bottom() - axis.share(line) * plot.h;
        canvas.path(&[(plot.x, y), (plot.right(), y)], GRID, 1.0);
        let words = SMALL.filled(FAINT).at(Anchor::End);
        canvas.words((plot.x - 8.0, y + 4.0), &formatted(line, unit), words);
    }
    days(canvas, plot, asked);
    for (series, color) in found.iter().zip(LINES.iter().cycle()) {
        for stretch in stretches(series, asked.step) {
            let places: Vec<(f64, f64)> = stretch
                .iter()
                .map(|(at, number)| {
                    let x = plot.x + plot.w * at / seconds(asked);
                    (x, plot.bottom() - axis.share(*number) * plot.h)
                })
                .collect();
            canvas.path(&bends(&places), color, 1.5);
        }
    }
    Ok(())
}

/// A row each, with a bar for as long as its value is the same.
fn states(canvas: &mut Canvas, area: Area, panel: &Panel, asked: &Asked<'_>) -> Result<()> {
    let found = asked.through(panel)?;
    if found.is_empty() {
        no_data(canvas, area);
        return Ok(());
    }
    if panel.options.legend.show_legend {
        bail!("the names below a state timeline are not drawn: switch its legend off");
    }
    let names = found.iter().map(|series| SMALL.width(&series.name));
    let plot = area.without(names.fold(AXIS, f64::max) + 8.0, 4.0, 6.0, DAYS);
    days(canvas, plot, asked);
    let height = share(plot.h, found.len());
    let mut y = plot.y;
    for series in &found {
        let field = panel.field_config.of(&series.name);
        let middle = y + height / 2.0 + 4.0;
        let words = SMALL.at(Anchor::End);
        canvas.words((plot.x - 8.0, middle), &series.name, words);
        for stretch in stretches(series, asked.step) {
            for same in stretch.chunk_by(|(_, one), (_, other)| one == other) {
                let ([(begin, number), ..], [.., (last, _)]) = (same, same) else {
                    continue;
                };
                let end = (last + step(asked)).min(seconds(asked));
                let x = plot.x + plot.w * begin / seconds(asked);
                let bar = Area {
                    x,
                    y: y + height * 0.1,
                    w: (plot.w * (end - begin) / seconds(asked)).max(1.0),
                    h: height * 0.8,
                };
                let (text, color) = shown(&Cell::Number(*number), &field);
                canvas.rect(bar, color.unwrap_or(FAINT));
                let words = Words::of(12.0).filled("#111217").at(Anchor::Middle);
                if words.width(&text) + 8.0 < bar.w {
                    canvas.words((bar.x + bar.w / 2.0, middle), &text, words);
                }
            }
        }
        y += height;
    }
    Ok(())
}

/// The parts of a series in which no point is missing.
fn stretches(series: &Series, step: i64) -> Vec<&[(f64, f64)]> {
    #[expect(clippy::cast_precision_loss, reason = "seconds are exact")]
    let most = step as f64 * 1.5;
    let next = |(one, _): &(f64, f64), (other, _): &(f64, f64)| other - one < most;
    series.points.chunk_by(next).collect()
}

/// The names of lines, as many beside each other as fit. Gives how high they are.
fn legend(canvas: &mut Canvas, area: Area, found: &[Series]) -> f64 {
    let mut places = Vec::new();
    let (mut x, mut row) = (area.x, 0_u32);
    for series in found {
        let width = 20.0 + SMALL.width(&series.name) + 16.0;
        if x + width > area.right() && x > area.x {
            (x, row) = (area.x, row + 1);
        }
        places.push((x, row));
        x += width;
    }
    let height = LEGEND * f64::from(row + 1);
    for ((series, (x, row)), color) in found.iter().zip(places).zip(LINES.iter().cycle()) {
        let y = area.bottom() - height + LEGEND * f64::from(row) + 12.0;
        let mark = Area {
            x,
            y: y - 3.0,
            w: 14.0,
            h: 4.0,
        };
        canvas.rect(mark, color);
        canvas.words((x + 20.0, y + 3.0), &series.name, SMALL);
    }
    height
}

/// Where each day begins.
fn days(canvas: &mut Canvas, plot: Area, asked: &Asked<'_>) {
    const DAY: i64 = 86_400;
    let (from, to) = (asked.from.as_second(), asked.to.as_second());
    let mut day = (from + DAY - 1).div_euclid(DAY) * DAY;
    while day <= to {
        let at = jiff::Timestamp::from_second(day).unwrap_or(asked.from);
        #[expect(clippy::cast_precision_loss, reason = "seconds are exact")]
        let x = plot.x + plot.w * (day - from) as f64 / seconds(asked);
        canvas.path(&[(x, plot.y), (x, plot.bottom())], GRID, 1.0);
        let text = at.strftime("%m/%d").to_string();
        canvas.words(
            (x, plot.bottom() + 16.0),
            &text,
            SMALL.filled(FAINT).at(Anchor::Middle),
        );
        day += DAY;
    }
}

fn no_data(canvas: &mut Canvas, area: Area) {
    let middle = (area.x + area.w / 2.0, area.y + area.h / 2.0 + 5.0);
    canvas.words(
        middle,
        "No data",
        Words::of(16.0).filled(FAINT).at(Anchor::Middle),
    );
}

/// The length of the time that is looked at.
fn seconds(asked: &Asked<'_>) -> f64 {
    asked.to.duration_since(asked.from).as_secs_f64()
}

fn step(asked: &Asked<'_>) -> f64 {
    jiff::SignedDuration::from_secs(asked.step).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn count(number: usize) -> f64 {
    number as f64
}

fn share(of: f64, parts: usize) -> f64 {
    of / count(parts.max(1))
}
