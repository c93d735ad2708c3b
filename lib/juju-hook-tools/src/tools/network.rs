//! `network-get` and `unit-get`.

use super::{Answer, Call, Failure, RELATION, SMART_OUTPUT, Tool};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "network-get",
        words: "<binding-name> [--ingress-address] [--bind-address] [--egress-subnets]",
        words_in_relation: None,
        summary: "Prints the unit's addresses for an endpoint.",
        flags: &[SMART_OUTPUT, RELATION, PARTS],
        run: network_get,
    },
    Tool {
        name: "unit-get",
        words: "<setting>",
        words_in_relation: None,
        summary: "Prints the unit's public-address or private-address.",
        flags: &[SMART_OUTPUT],
        run: unit_get,
    },
];

const PARTS: &[Flag] = &[
    Flag {
        names: &["bind-address"],
        kind: FlagKind::Switch,
        help: "Print the address to listen on",
    },
    Flag {
        names: &["egress-subnets"],
        kind: FlagKind::Switch,
        help: "Print the subnets that the unit's traffic comes from",
    },
    Flag {
        names: &["ingress-address"],
        kind: FlagKind::Switch,
        help: "Print the address to tell others",
    },
    Flag {
        names: &["primary-address"],
        kind: FlagKind::Switch,
        help: "Print the first address; use --bind-address instead",
    },
];

impl Call<'_> {
    /// The pod's address; Juju prints a missing one like this.
    fn pod_address(&self) -> String {
        self.model
            .units
            .get(self.unit())
            .and_then(|unit| unit.address.clone())
            .unwrap_or_else(|| "<nil>".to_owned())
    }

    /// The address of the application's Kubernetes service.
    fn service_address(&self) -> String {
        self.model
            .applications
            .get(self.application())
            .map(|application| application.address.clone())
            .unwrap_or_default()
    }
}

fn network_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(binding) = call.word(0) else {
        return Err(Failure::usage("no arguments specified"));
    };
    if binding.is_empty() {
        return Err(Failure::usage("no binding name specified"));
    }
    call.at_most(1)?;
    let is_known = call
        .model
        .applications
        .get(call.application())
        .is_some_and(|application| application.charm.has_binding(binding));
    if !is_known {
        return Err(Failure::run(format!(
            "no network config found for binding {}",
            quote(binding)
        )));
    }
    let bind_address = call.pod_address();
    let ingress_address = call.service_address();
    let egress_subnets = Value::Texts(vec![format!("{ingress_address}/32")]);

    let mut parts = Vec::new();
    if call.flags.is_on("bind-address") {
        parts.push(("bind-address", Value::text(&bind_address)));
    }
    if call.flags.is_on("egress-subnets") {
        parts.push(("egress-subnets", egress_subnets.clone()));
    }
    if call.flags.is_on("ingress-address") {
        parts.push(("ingress-address", Value::text(&ingress_address)));
    }
    if call.flags.is_on("primary-address") {
        if !parts.is_empty() {
            return Err(Failure::run("--primary-address must be the only flag specified"));
        }
        return Ok(Answer::Value(Value::text(bind_address)));
    }
    if let [(_, value)] = parts.as_slice() {
        return Ok(Answer::Value(value.clone()));
    }
    if !parts.is_empty() {
        return Ok(Answer::Value(Value::sorted(parts)));
    }

    let interface = format!("placeholder for {} cloud container", quote(call.unit()));
    let address = Value::record([
        ("hostname", Value::text(&bind_address)),
        ("value", Value::text(&bind_address)),
        ("cidr", Value::text("0.0.0.0/0")),
    ]);
    let bound = Value::record([
        ("mac-address", Value::text("")),
        ("interface-name", Value::text(interface)),
        ("addresses", Value::List(vec![address])),
    ]);
    Ok(Answer::Value(Value::record([
        ("bind-addresses", Value::List(vec![bound])),
        ("egress-subnets", egress_subnets),
        ("ingress-addresses", Value::Texts(vec![ingress_address])),
    ])))
}

fn unit_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let Some(setting) = call.word(0) else {
        return Err(Failure::usage("no setting specified"));
    };
    if setting != "private-address" && setting != "public-address" {
        return Err(Failure::usage(format!("unknown setting {}", quote(setting))));
    }
    call.at_most(1)?;
    if setting == "public-address" {
        return Ok(Answer::Value(Value::text(call.service_address())));
    }
    // 4.0 does not know the private address on Kubernetes.
    if call.model.juju_version.is_3() {
        return Ok(Answer::Value(Value::text(call.pod_address())));
    }
    Err(Failure::run("private address not found"))
}
