//! Names that Juju takes for applications and models, and its words where it refuses one.
//!
//! Juju sets no limit to an application's name. Kubernetes does, once Juju makes objects of it: see `kubernetes/limits.rs`.
//! Sources: `application.go` and `model.go` of juju/names (v6, model.go at 3be4058c); `cmd/juju/application/deploy.go` and
//! `cmd/juju/controller/addmodel.go` of juju/juju, which call them before anything reaches the controller.

use crate::error::{Error, Result};

/// The longest name of a model, `MaxCharactersModelName` of juju/names.
const LONGEST_MODEL: usize = 128;

/// Refuses a name that Juju does not take for an application: words of letters and digits with hyphens between, a letter first,
/// and at least one letter in each word behind a hyphen, since `web-1` would be mistaken for a unit.
///
/// # Errors
/// [`Error::Refused`] with Juju's text, `ValidateApplicationName` of juju/names.
pub(crate) fn check_application(name: &str) -> Result<()> {
    if is_application(name) {
        return Ok(());
    }
    let refused = |reason: String| {
        Err(Error::refused(format!(
            "invalid application name {name:?}{reason}"
        )))
    };
    if name.chars().any(|letter| letter.is_ascii_uppercase()) {
        return refused(", unexpected uppercase character".to_owned());
    }
    let last = name.rsplit_once('-').map(|(_, last)| last);
    if last.is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
        return refused(", unexpected number(s) found after last hyphen".to_owned());
    }
    let is_taken = |letter: char| letter.is_ascii_lowercase() || letter.is_numeric() || letter == '-';
    match name.chars().find(|letter| !is_taken(*letter)) {
        Some(letter) => refused(format!(", unexpected character {letter}")),
        None => refused(String::new()),
    }
}

/// `^(?:[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*)$`, `ApplicationSnippet` of juju/names.
fn is_application(name: &str) -> bool {
    let is_word = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && word.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(is_word)
}

/// Refuses a name that Juju does not take for a model.
///
/// # Errors
/// [`Error::Refused`] with the text of `juju add-model`, which is the same for a name that is too long.
pub(crate) fn check_model(name: &str) -> Result<()> {
    // `^[a-z0-9]+[a-z0-9-]*$`, `validModelName` of juju/names.
    let is_taken = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.is_empty() && name.len() <= LONGEST_MODEL && !name.starts_with('-') && name.bytes().all(is_taken)
    {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{name:?} is not a valid name: model names may only contain lowercase letters, digits and hyphens"
    )))
}
