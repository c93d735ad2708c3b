//! How many volumes at a time Velero's node agent copies on a node, and the command that changes it.

use serde_json::Value;

/// The node agent's option that names its ConfigMap (`pkg/cmd/cli/nodeagent/server.go` of Velero, 1.15 to 1.18).
const OPTION: &str = "--node-agent-configmap";
/// Name of a ConfigMap that is to be made, as Velero's documentation calls it.
const CONFIGURATION: &str = "node-agent-config";

/// How many volumes it copies at a time on a node where nothing says otherwise (`defaultDataPathConcurrentNum` there).
pub const DEFAULT_CONCURRENCY: u32 = 1;

/// The ConfigMap that a node agent with these arguments reads; `None` if it reads none.
pub fn configuration(arguments: &[String]) -> Option<String> {
    let mut after = arguments.iter().skip(1);
    arguments.iter().find_map(|argument| {
        let next = after.next();
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (argument.as_str(), next.map(String::as_str)),
        };
        value
            .filter(|value| option == OPTION && !value.is_empty())
            .map(str::to_owned)
    })
}

/// What a ConfigMap's text says of it for all nodes. Those of single nodes (`perNodeConfig`) are not looked at.
///
/// # Errors
/// Why the node agent cannot read it.
pub fn concurrency(text: &str) -> Result<u32, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    match &value["loadConcurrency"]["globalConfig"] {
        Value::Null => Ok(DEFAULT_CONCURRENCY),
        // The node agent takes the default for what is no number of volumes (`getDataPathConcurrentNum`).
        number => match number.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number @ 1..) => Ok(number),
            _ => Err(format!(
                "loadConcurrency.globalConfig is {number}, which is no number of volumes"
            )),
        },
    }
}

/// The command that has the node agents of this namespace copy so many volumes at a time. Only while none of them is at work.
pub fn raise(namespace: &str, configuration: Option<&str>, count: usize) -> String {
    match configuration {
        Some(name) => format!(
            "set loadConcurrency.globalConfig to {count}: kubectl -n {namespace} edit configmap {name} && \
             kubectl -n {namespace} rollout restart daemonset node-agent"
        ),
        None => format!(
            "kubectl -n {namespace} create configmap {CONFIGURATION} \
             --from-literal=config='{{\"loadConcurrency\":{{\"globalConfig\":{count}}}}}' && \
             kubectl -n {namespace} patch daemonset node-agent --type=json \
             -p '[{{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/args/-\",\
             \"value\":\"{OPTION}={CONFIGURATION}\"}}]'"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_says_is_read_as_the_node_agent_reads_it() {
        assert_eq!(concurrency("{}"), Ok(1));
        assert_eq!(concurrency(r#"{"loadConcurrency":{"globalConfig":7}}"#), Ok(7));
        assert_eq!(concurrency(r#"{"loadConcurrency":{"perNodeConfig":[]}}"#), Ok(1));
        for wrong in [
            "{",
            r#"{"loadConcurrency":{"globalConfig":0}}"#,
            r#"{"loadConcurrency":{"globalConfig":"7"}}"#,
        ] {
            assert!(concurrency(wrong).is_err(), "{wrong}");
        }
    }
}
