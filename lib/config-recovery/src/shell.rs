//! Commands for a POSIX shell, as text for a person.

use serde::Serialize;
use serde_json::Value;

/// Ends an object that is written out in a command. No line of JSON is this.
const END: &str = "END";

/// A text as one word of a command line, whatever is in it.
pub(crate) fn word(text: &str) -> String {
    // A zero byte is in no argument that a process can get.
    let text = text.replace('\0', "");
    shlex::try_quote(&text).map_or_else(|_| text.clone(), Into::into)
}

/// An object of Kubernetes' own first version, with its kind.
pub(crate) fn typed(kind: &str, mut object: Value) -> Value {
    object["apiVersion"] = "v1".into();
    object["kind"] = kind.into();
    object
}

/// What can be written as JSON. Objects of Kubernetes always can.
pub(crate) fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// Creates an object.
pub(crate) fn create(object: &Value) -> String {
    format!("kubectl create -f - <<'{END}'\n{object}\n{END}")
}

/// Creates an object in which words stand for what is known only then: the value of a shell variable each.
pub(crate) fn create_with(found: &[(&str, &str)], object: &Value) -> String {
    let edits: Vec<String> = found
        .iter()
        .map(|(word, variable)| format!("-e \"s|{word}|${variable}|g\""))
        .collect();
    format!(
        "sed {} <<'{END}' | kubectl create -f -\n{object}\n{END}",
        edits.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one() {
        assert_eq!(word("radarr-0"), "radarr-0");
        assert_eq!(word("a b; rm -rf $HOME"), "'a b; rm -rf $HOME'");
        assert_eq!(word(""), "''");
        assert_eq!(word("a\0b"), "ab");
    }
}
