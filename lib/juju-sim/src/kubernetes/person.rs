//! What a person is answered, who has an account of their own.

use hyper::{Method, StatusCode};
use serde_json::json;

use super::Objects;
use super::resources::Resources;
use super::server::{refusal, unavailable};

/// Where an API server tells its version.
const VERSION: &str = "/version";

/// One request of a person.
pub(super) struct PersonAsked<'a> {
    pub token: &'a str,
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

impl PersonAsked<'_> {
    /// What a person is answered, with the name of the account; `None` for a token that is no person's.
    pub fn answer(&self, objects: &mut Objects) -> Option<(String, StatusCode, String)> {
        let Self {
            token,
            method,
            path,
            query,
            ..
        } = *self;
        let is_write = *method != Method::GET;
        let (plural, group) = Resources::about(path).unwrap_or_default();
        let (account, may) = objects.people.account(token, plural, is_write)?;
        let (status, text) = if !objects.options.answers {
            let (status, object) = unavailable();
            (status, object.to_string())
        } else if path == VERSION {
            // For everybody, as Kubernetes' role system:public-info-viewer has it.
            (
                StatusCode::OK,
                json!({"major": "1", "minor": "34", "gitVersion": "v1.34.3"}).to_string(),
            )
        } else if !may {
            // As the API server's authorizer says it.
            let verb = match *method {
                Method::POST => "create",
                Method::PATCH => "patch",
                Method::DELETE => "delete",
                _ => "list",
            };
            let text = format!(
                "{plural}.{group} is forbidden: User {account:?} cannot {verb} resource {plural:?} in API group {group:?} at the cluster scope"
            );
            let (status, object) = refusal(StatusCode::FORBIDDEN, "Forbidden", text);
            (status, object.to_string())
        } else if is_write {
            let (status, object) =
                objects
                    .people
                    .resources
                    .change(method, path, self.content_type, self.body);
            (status, object.to_string())
        } else {
            objects.people.resources.answer(method, path, query)
        };
        Some((account, status, text))
    }
}
