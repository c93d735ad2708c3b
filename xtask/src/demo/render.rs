//! Shows the steps of the story: as text while they happen, or as one JSON document at the end.

use anyhow::Result;
use console::style;
use serde::Serialize;
use serde_json::Value;

use crate::progress::Progress;

/// One thing that a person types, and what is to be seen after it.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What this step is about.
    pub title: String,
    /// What a person types.
    pub command: String,
    /// What is to be seen then.
    pub shown: Vec<Shown>,
}

/// Something to look at.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// What it is.
    pub label: String,
    /// A text, a list or an object.
    pub value: Value,
}

/// Shows steps.
pub struct Renderer {
    json: bool,
    steps: Vec<Step>,
}

impl Renderer {
    /// Text, or JSON at the end.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            steps: Vec::new(),
        }
    }

    /// Does a step and shows it.
    ///
    /// # Errors
    /// What `doing` says.
    pub fn step(
        &mut self,
        title: &str,
        command: &str,
        doing: impl FnOnce() -> Result<Vec<Shown>>,
    ) -> Result<()> {
        let progress = Progress::begin(title);
        let done = doing();
        progress.end();
        let step = Step {
            title: title.to_owned(),
            command: command.to_owned(),
            shown: done?,
        };
        if !self.json {
            print_step(self.steps.len() + 1, &step)?;
        }
        self.steps.push(step);
        Ok(())
    }

    /// Prints what is left to print.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn finish(self) -> Result<()> {
        if self.json {
            println!(
                "{}",
                serde_json::to_string_pretty(&serde_json::json!({ "steps": self.steps }))?
            );
        } else {
            println!("\nNext: cargo test, docs in README.md and ARCHITECTURE.md.");
        }
        Ok(())
    }
}

fn print_step(number: usize, step: &Step) -> Result<()> {
    println!(
        "\n{} {}",
        style(format!("{number}.")).bold().cyan(),
        style(&step.title).bold()
    );
    println!("   {} {}", style("$").dim(), style(&step.command).green());
    for Shown { label, value } in &step.shown {
        match value {
            Value::String(text) => println!("   {label}: {text}"),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                println!("   {label}:");
                for item in items {
                    println!("     {}", item.as_str().unwrap_or_default());
                }
            }
            other => {
                println!("   {label}:");
                for line in serde_yaml::to_string(other)?.lines() {
                    println!("     {line}");
                }
            }
        }
    }
    Ok(())
}
