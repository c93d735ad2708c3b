//! `secret-add`, `secret-set`, `secret-get`, `secret-info-get`, `secret-ids`, `secret-grant`, `secret-revoke`,
//! `secret-remove`.

use std::collections::BTreeMap;

use super::relation::{is_application_name, is_unit_name};
use super::secret_content::{decode, parse_id, read};
use super::{Answer, Call, Failure, RELATION, SMART_OUTPUT, Tool, YAML_OUTPUT};
use crate::flags::{Flag, FlagKind, quote};
use crate::format::Value;
use crate::model::{Secret, SecretConsumer, SecretGrant, SecretOwner, application_name};
use crate::session::{SecretOperation, SecretUpdate};
use crate::time;

const ROTATE_POLICIES: [&str; 7] = [
    "never",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "yearly",
];

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "secret-add",
        words: "[key[#base64|#file]=value...]",
        words_in_relation: None,
        summary: "Makes a secret and prints its id.",
        flags: &[CONTENT],
        run: secret_add,
    },
    Tool {
        name: "secret-set",
        words: "<ID> [key[#base64]=value...]",
        words_in_relation: None,
        summary: "Gives a secret a new revision, or changes what is known about it.",
        flags: &[CONTENT],
        run: secret_set,
    },
    Tool {
        name: "secret-get",
        words: "<ID> [key[#base64]]",
        words_in_relation: None,
        summary: "Prints a secret's content, or one value of it.",
        flags: &[YAML_OUTPUT, LABEL, REVISION_CHOICE],
        run: secret_get,
    },
    Tool {
        name: "secret-info-get",
        words: "<ID>",
        words_in_relation: None,
        summary: "Prints what is known about an own secret.",
        flags: &[YAML_OUTPUT, LABEL],
        run: secret_info_get,
    },
    Tool {
        name: "secret-ids",
        words: "",
        words_in_relation: None,
        summary: "Lists the own secrets.",
        flags: &[SMART_OUTPUT],
        run: secret_ids,
    },
    Tool {
        name: "secret-grant",
        words: "<ID>",
        words_in_relation: None,
        summary: "Lets the other end of a relation read a secret.",
        flags: &[RELATION, UNIT],
        run: secret_grant,
    },
    Tool {
        name: "secret-revoke",
        words: "<ID>",
        words_in_relation: None,
        summary: "Takes the right to read a secret back.",
        flags: &[RELATION, UNIT, APPLICATION],
        run: secret_revoke,
    },
    Tool {
        name: "secret-remove",
        words: "<ID>",
        words_in_relation: None,
        summary: "Removes a secret, or one revision of it.",
        flags: &[REVISION],
        run: secret_remove,
    },
];

const CONTENT: &[Flag] = &[
    Flag {
        names: &["description"],
        kind: FlagKind::Text(""),
        help: "What the secret is",
    },
    Flag {
        names: &["expire"],
        kind: FlagKind::Text(""),
        help: "When it expires: a time, or a duration from now",
    },
    Flag {
        names: &["file"],
        kind: FlagKind::Text(""),
        help: "A YAML file with keys and values",
    },
    Flag {
        names: &["label"],
        kind: FlagKind::Text(""),
        help: "The name by which the owner finds it",
    },
    Flag {
        names: &["owner"],
        kind: FlagKind::Text("application"),
        help: "Who owns it: application or unit",
    },
    Flag {
        names: &["rotate"],
        kind: FlagKind::Text(""),
        help: "How often it is to be rotated",
    },
];

const LABEL: &[Flag] = &[Flag {
    names: &["label"],
    kind: FlagKind::Text(""),
    help: "The secret's label",
}];

const REVISION_CHOICE: &[Flag] = &[
    Flag {
        names: &["peek"],
        kind: FlagKind::Switch,
        help: "Read the latest revision this time",
    },
    Flag {
        names: &["refresh"],
        kind: FlagKind::Switch,
        help: "Read the latest revision from now on",
    },
];

const UNIT: &[Flag] = &[Flag {
    names: &["unit"],
    kind: FlagKind::Text(""),
    help: "Only this unit",
}];

const APPLICATION: &[Flag] = &[Flag {
    names: &["app", "application"],
    kind: FlagKind::Text(""),
    help: "This application",
}];

const REVISION: &[Flag] = &[Flag {
    names: &["revision"],
    kind: FlagKind::Number,
    help: "Only this revision",
}];

/// What `secret-add` and `secret-set` share.
fn read_update(call: &Call<'_>, words: &[String]) -> Result<SecretUpdate, Failure> {
    let given = |name: &str| Some(call.flags.text(name).to_owned()).filter(|text| !text.is_empty());
    let not_valid = |what: &str, text: &str| Failure::usage(format!("{what} {} not valid", quote(text)));
    let expires = match given("expire") {
        None => None,
        Some(text) => match (time::parse(&text), time::parse_duration(&text)) {
            (Some(at), _) => Some(at),
            (None, Some(seconds)) if seconds > 0 => Some(call.model.now.saturating_add(seconds)),
            (None, Some(_)) => return Err(not_valid("negative expire duration", &text)),
            (None, None) => return Err(not_valid("expire time or duration", &text)),
        },
    };
    let rotate_policy = given("rotate");
    if let Some(policy) = &rotate_policy
        && !ROTATE_POLICIES.contains(&policy.as_str())
    {
        return Err(not_valid("rotate policy", policy));
    }
    let owner = call.flags.get("owner").unwrap_or("application");
    if owner != "application" && owner != "unit" {
        return Err(not_valid("secret owner", owner));
    }
    let content = read(call, words)?;
    Ok(SecretUpdate {
        label: given("label"),
        description: given("description"),
        rotate_policy,
        expires,
        content: Some(content).filter(|content| !content.is_empty()),
    })
}

fn secret_add(call: &mut Call<'_>) -> Result<Answer, Failure> {
    if call.words().is_empty() && call.flags.text("file").is_empty() {
        return Err(Failure::usage("missing secret value or filename"));
    }
    let update = read_update(call, call.words())?;
    let Some(content) = update.content else {
        return Err(Failure::run("empty secret value not valid"));
    };
    let owner = if call.flags.get("owner") == Some("unit") {
        SecretOwner::Unit(call.unit().to_owned())
    } else if call.is_leader() {
        SecretOwner::Application(call.application().to_owned())
    } else {
        return Err(Failure::run("this unit is not the leader"));
    };
    let id = call.model.next_secret_id();
    let mut secret = Secret {
        id: id.clone(),
        owner,
        label: update.label.unwrap_or_default(),
        description: update.description.unwrap_or_default(),
        rotate_policy: String::new(),
        expires: update.expires,
        rotates: None,
        revisions: BTreeMap::new(),
        consumers: BTreeMap::new(),
        grants: Vec::new(),
    };
    if let Some(policy) = &update.rotate_policy {
        secret.set_rotate_policy(policy, call.model.now);
    }
    secret.add_revision(content);
    call.session
        .note_secret(SecretOperation::Create(Box::new(secret)), call.model.now);
    // 4.0 names the model, 3.x does not.
    Ok(Answer::Line(if call.model.juju_version.is_3() {
        format!("secret:{id}")
    } else {
        format!("secret://{}/{id}", call.model.uuid)
    }))
}

/// The id in the first word.
fn first_id(call: &Call<'_>) -> Result<String, Failure> {
    match call.word(0) {
        Some(word) => parse_id(word),
        None => Err(Failure::usage("missing secret URI")),
    }
}

/// What only a leader may do is refused at once for a secret that is known to belong to the own application. What else is
/// wrong with it is found out at the commit.
fn check_leader(call: &Call<'_>, id: &str) -> Result<(), Failure> {
    let own = SecretOwner::Application(call.application().to_owned());
    let is_own = call
        .session
        .secret(call.model, id)
        .is_some_and(|secret| secret.owner == own);
    if is_own && !call.is_leader() {
        return Err(Failure::run("this unit is not the leader"));
    }
    Ok(())
}

fn secret_set(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = first_id(call)?;
    let update = read_update(call, call.words().get(1..).unwrap_or_default())?;
    check_leader(call, &id)?;
    call.session
        .note_secret(SecretOperation::Update { id, update }, call.model.now);
    Ok(Answer::Nothing)
}

fn secret_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = call.word(0).map(parse_id).transpose()?;
    let label = Some(call.flags.text("label").to_owned()).filter(|label| !label.is_empty());
    if id.is_none() && label.is_none() {
        return Err(Failure::usage("require either a secret URI or label"));
    }
    let (peek, refresh) = (call.flags.is_on("peek"), call.flags.is_on("refresh"));
    if peek && refresh {
        return Err(Failure::usage("specify one of --peek or --refresh but not both"));
    }
    call.at_most(2)?;
    let secret = match (&id, &label) {
        (Some(id), _) => call
            .session
            .secret(call.model, id)
            .ok_or_else(|| Failure::run("getting latest secret revision: secret not found"))?,
        (None, label) => {
            let label = label.as_deref().unwrap_or_default();
            by_label(call, label).ok_or_else(|| {
                Failure::run(format!(
                    "secret URI for consumer label {} not found",
                    quote(label)
                ))
            })?
        }
    };
    let unit = call.unit().to_owned();
    if !secret.is_owned_by(&unit) && !secret.granted_to(&unit, call.application()) {
        return Err(Failure::run(if call.model.juju_version.is_3() {
            "permission denied".to_owned()
        } else {
            format!("{} is not allowed to read this secret", quote(&unit))
        }));
    }
    let latest = secret.latest();
    let tracked = secret.consumers.get(&unit).map(|consumer| consumer.revision);
    let revision = match tracked {
        Some(tracked) if !peek && !refresh => tracked,
        _ => latest,
    };
    let Some(content) = secret.revisions.get(&revision) else {
        return Err(Failure::run(format!("secret revision {revision} not found")));
    };
    let answer = content_answer(&content.content, call.word(1).unwrap_or_default())?;
    note_reading(
        call,
        &secret,
        id.and(label),
        if peek { tracked } else { Some(revision) },
    );
    Ok(Answer::Value(answer))
}

/// Pins the revision and notes the reader's label, where either differs.
fn note_reading(call: &mut Call<'_>, secret: &Secret, label: Option<String>, revision: Option<u32>) {
    let before = secret.consumers.get(call.unit()).cloned();
    let SecretConsumer {
        label: old_label,
        revision: old_revision,
    } = before.unwrap_or_default();
    let revision = revision.unwrap_or(old_revision);
    let label = label.filter(|label| *label != old_label);
    if revision == old_revision && label.is_none() {
        return;
    }
    let operation = SecretOperation::Track {
        id: secret.id.clone(),
        revision: if revision == 0 { secret.latest() } else { revision },
        label,
    };
    call.session.note_secret(operation, call.model.now);
}

/// The secret that a label means: an own one's, else one that the unit reads.
fn by_label(call: &Call<'_>, label: &str) -> Option<Secret> {
    let unit = call.unit();
    let secrets: Vec<Secret> = call
        .session
        .secret_ids(call.model)
        .iter()
        .filter_map(|id| call.session.secret(call.model, id))
        .collect();
    let own = secrets
        .iter()
        .find(|secret| secret.label == label && secret.is_owned_by(unit));
    let consumed = || {
        secrets.iter().find(|secret| {
            secret
                .consumers
                .get(unit)
                .is_some_and(|consumer| consumer.label == label)
        })
    };
    own.or_else(consumed).cloned()
}

fn content_answer(content: &BTreeMap<String, String>, key: &str) -> Result<Value, Failure> {
    if key.is_empty() {
        let mut entries = Vec::new();
        for (key, value) in content {
            entries.push((key, Value::text(decode(value)?)));
        }
        return Ok(Value::sorted(entries));
    }
    let (name, encoded) = match key.strip_suffix("#base64") {
        Some(name) => (name, true),
        None => (key, false),
    };
    let Some(value) = content.get(name) else {
        return Err(Failure::run(format!(
            "secret key value {} not found",
            quote(name)
        )));
    };
    Ok(Value::text(if encoded { value.clone() } else { decode(value)? }))
}

/// The own secrets that this unit manages: its own, and the application's if it leads.
fn managed(call: &Call<'_>) -> Vec<Secret> {
    call.session
        .secret_ids(call.model)
        .iter()
        .filter_map(|id| call.session.secret(call.model, id))
        .filter(|secret| secret.is_managed_by(call.model, call.unit()))
        .collect()
}

fn secret_ids(call: &mut Call<'_>) -> Result<Answer, Failure> {
    call.at_most(0)?;
    let ids: Vec<String> = managed(call).into_iter().map(|secret| secret.id).collect();
    // An empty list is nil in Go.
    Ok(Answer::Value(if ids.is_empty() {
        Value::Null
    } else {
        Value::Texts(ids)
    }))
}

fn secret_info_get(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = call.word(0).map(parse_id).transpose()?;
    let label = call.flags.text("label");
    match (&id, label) {
        (None, "") => return Err(Failure::usage("require either a secret URI or label")),
        (Some(_), label) if !label.is_empty() => {
            return Err(Failure::usage(
                "specify either a secret URI or label but not both",
            ));
        }
        _ => {}
    }
    call.at_most(1)?;
    let wanted = id.clone().unwrap_or_else(|| label.to_owned());
    let found = managed(call).into_iter().find(|secret| match &id {
        Some(id) => secret.id == *id,
        None => secret.label == label,
    });
    let Some(secret) = found else {
        return Err(Failure::run(format!("secret {} not found", quote(&wanted))));
    };
    let info = info(call, &secret);
    Ok(Answer::Value(Value::Map(vec![(secret.id, info)])))
}

fn info(call: &Call<'_>, secret: &Secret) -> Value {
    let owner = match secret.owner {
        SecretOwner::Application(_) => "application",
        SecretOwner::Unit(_) => "unit",
        SecretOwner::Model => "model",
    };
    let mut fields = vec![
        ("revision".to_owned(), Value::Int(i64::from(secret.latest()))),
        ("label".to_owned(), Value::text(&secret.label)),
        ("owner".to_owned(), Value::text(owner)),
    ];
    let mut optional = |name: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    let text = |text: &str| Some(Value::text(text)).filter(|_| !text.is_empty());
    optional("description", text(&secret.description));
    let policy = if secret.rotate_policy.is_empty() {
        "never"
    } else {
        &secret.rotate_policy
    };
    optional("rotation", text(policy));
    optional("expiry", secret.expires.map(|at| Value::text(time::rfc3339(at))));
    optional("rotates", secret.rotates.map(|at| Value::text(time::rfc3339(at))));
    let access: Vec<Value> = secret.grants.iter().map(|grant| access(call, grant)).collect();
    optional(
        "access",
        Some(Value::List(access)).filter(|_| !secret.grants.is_empty()),
    );
    Value::Map(fields)
}

/// A grant with Juju's tags: `application-velero`, `relation-app.endpoint#other.endpoint`.
fn access(call: &Call<'_>, grant: &SecretGrant) -> Value {
    let target = if grant.target.contains('/') {
        format!("unit-{}", grant.target.replace('/', "-"))
    } else {
        format!("application-{}", grant.target)
    };
    let scope = grant
        .relation
        .and_then(|id| call.model.relations.get(&id))
        .map(|relation| format!("relation-{}", relation.key().replace(':', ".").replace(' ', "#")))
        .unwrap_or_default();
    Value::record([
        ("target", Value::text(target)),
        ("scope", Value::text(scope)),
        ("role", Value::text("view")),
    ])
}

fn secret_grant(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = first_id(call)?;
    let relation = call.relation()?;
    let remote = call
        .remote_application_of(relation)
        .map_err(|failure| Failure::usage(failure.text))?
        .to_owned();
    let unit = call.flags.text("unit").to_owned();
    if !unit.is_empty() {
        if !is_unit_name(&unit) {
            return Err(Failure::usage(format!("unit {} not valid", quote(&unit))));
        }
        if application_name(&unit) != remote {
            return Err(Failure::usage(format!(
                "cannot specify unit {} in relation to application {}",
                quote(&unit),
                quote(&remote)
            )));
        }
    }
    call.at_most(1)?;
    check_leader(call, &id)?;
    if !managed(call).iter().any(|secret| secret.id == id) {
        return Err(Failure::run(format!("secret {} not found", quote(&id))));
    }
    let grant = SecretGrant {
        target: if unit.is_empty() { remote } else { unit },
        relation: Some(relation),
    };
    call.session
        .note_secret(SecretOperation::Grant { id, grant }, call.model.now);
    Ok(Answer::Nothing)
}

fn secret_revoke(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = first_id(call)?;
    let mut application = call.flags.text("app").to_owned();
    let unit = call.flags.text("unit").to_owned();
    if !application.is_empty() && !is_application_name(&application) {
        return Err(Failure::usage(format!(
            "application {} not valid",
            quote(&application)
        )));
    }
    if !unit.is_empty() && !is_unit_name(&unit) {
        return Err(Failure::usage(format!("unit {} not valid", quote(&unit))));
    }
    if !application.is_empty() && !unit.is_empty() {
        return Err(Failure::usage("specify only one of application or unit"));
    }
    if let Some(relation) = call.relation_if_any() {
        if !application.is_empty() {
            return Err(Failure::usage("do not specify both relation and app"));
        }
        call.remote_application_of(relation)
            .map_err(|failure| Failure::usage(failure.text))?
            .clone_into(&mut application);
    }
    if application.is_empty() && unit.is_empty() {
        return Err(Failure::usage("missing relation or application or unit"));
    }
    call.at_most(1)?;
    check_leader(call, &id)?;
    let target = if unit.is_empty() { application } else { unit };
    call.session
        .note_secret(SecretOperation::Revoke { id, target }, call.model.now);
    Ok(Answer::Nothing)
}

fn secret_remove(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let id = first_id(call)?;
    call.at_most(1)?;
    check_leader(call, &id)?;
    let revision: i64 = call.flags.text("revision").parse().unwrap_or_default();
    let revision = match revision {
        0 => None,
        number => Some(u32::try_from(number).unwrap_or(u32::MAX)),
    };
    call.session
        .note_secret(SecretOperation::Remove { id, revision }, call.model.now);
    Ok(Answer::Nothing)
}
