//! `open-port`, `close-port`, `opened-ports`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Call, Failure, SMART_OUTPUT, Tool, UNUSED_FORMAT};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;
use crate::model::{Port, Protocol};
use crate::session::PortOperation;

const WORDS: &str = "<port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "open-port",
        words: WORDS,
        words_in_relation: None,
        summary: "Opens a port once the hook has succeeded.",
        flags: &[UNUSED_FORMAT, ENDPOINTS],
        run: |call| change(call, true),
    },
    Tool {
        name: "close-port",
        words: WORDS,
        words_in_relation: None,
        summary: "Closes a port once the hook has succeeded.",
        flags: &[UNUSED_FORMAT, ENDPOINTS],
        run: |call| change(call, false),
    },
    Tool {
        name: "opened-ports",
        words: "",
        words_in_relation: None,
        summary: "Lists the ports that the unit has opened.",
        flags: &[SMART_OUTPUT, SHOW_ENDPOINTS],
        run: opened_ports,
    },
];

const ENDPOINTS: &[Flag] = &[Flag {
    names: &["endpoints"],
    kind: FlagKind::Text(""),
    help: "The endpoints that it is for, separated by commas; all if none is named",
}];

const SHOW_ENDPOINTS: &[Flag] = &[Flag {
    names: &["endpoints"],
    kind: FlagKind::Switch,
    help: "Print the endpoints that each port is for as well",
}];

fn change(call: &mut Call<'_>, open: bool) -> Result<Answer, Failure> {
    let Some(word) = call.word(0) else {
        return Err(Failure::usage("no port or range specified"));
    };
    let (from, to, protocol) = parse(&word.to_lowercase()).map_err(Failure::usage)?;
    call.at_most(1)?;
    call.warn_about_format();
    if from != to {
        return Err(Failure::run(
            "port ranges are not supported for k8s applications, please specify a single port",
        ));
    }
    let endpoints = call.flags.text("endpoints").to_owned();
    for endpoint in endpoints.split(',').map(str::trim) {
        let is_known = call
            .model
            .applications
            .get(call.application())
            .is_some_and(|application| endpoint.is_empty() || application.charm.has_binding(endpoint));
        if !is_known {
            return Err(Failure::run(format!("endpoint {} not found", quote(endpoint))));
        }
        let operation = PortOperation {
            open,
            endpoint: endpoint.to_owned(),
            port: Port {
                protocol,
                number: from,
            },
        };
        call.session.pending.ports.push(operation);
    }
    Ok(Answer::Nothing)
}

/// Reads `80`, `80/tcp`, `80-90/udp` or `icmp` (`core/network/portrange.go` of juju/juju).
fn parse(text: &str) -> Result<(u16, u16, Protocol), String> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if range == "icmp" {
        return Ok((0, 0, Protocol::Icmp));
    }
    let number = |digits: &str, shown: &str| {
        let parsed: Result<i64, _> = digits.parse();
        parsed.map_err(|_| {
            format!(
                "invalid port {}: strconv.Atoi: parsing {}: invalid syntax",
                quote(shown),
                quote(digits)
            )
        })
    };
    let parts: Vec<&str> = range.split('-').collect();
    let (from, to) = match parts.as_slice() {
        [single] => {
            let port = number(single, range)?;
            (port, port)
        }
        [from, to] => (number(from, from)?, number(to, to)?),
        _ => return Err(format!("invalid port range {}", quote(range))),
    };
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" => {
            return Err(format!(
                "protocol \"icmp\" doesn't support any ports; got \"{from}\""
            ));
        }
        other => {
            return Err(format!(
                "invalid protocol {}, expected \"tcp\", \"udp\", or \"icmp\"",
                quote(other)
            ));
        }
    };
    if from > to {
        return Err(format!("invalid port range {from}-{to}/{}", protocol.as_str()));
    }
    match (u16::try_from(from), u16::try_from(to)) {
        (Ok(from), Ok(to)) => Ok((from, to, protocol)),
        _ => Err(format!(
            "port range bounds must be between 0 and 65535, got {from}-{to}"
        )),
    }
}

fn opened_ports(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    let opened = match call.model.units.get(call.unit()) {
        Some(unit) => call.session.pending.opened_ports(unit),
        None => BTreeMap::new(),
    };
    let mut endpoints_by_port: BTreeMap<Port, BTreeSet<String>> = BTreeMap::new();
    for (endpoint, ports) in opened {
        for port in ports {
            endpoints_by_port
                .entry(port)
                .or_default()
                .insert(endpoint.clone());
        }
    }
    let show_endpoints = call.flags.is_on("endpoints");
    let lines = endpoints_by_port.into_iter().map(|(port, endpoints)| {
        if !show_endpoints {
            return port.to_string();
        }
        let names = if endpoints.contains("") {
            "*".to_owned()
        } else {
            endpoints.into_iter().collect::<Vec<_>>().join(", ")
        };
        format!("{port} ({names})")
    });
    Ok(Answer::Value(Value::Texts(lines.collect())))
}
