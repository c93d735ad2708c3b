//! The connection to Kubernetes, and what its refusals mean.
//!
//! Who has a client of their own asks by [`ask_within`], so that there is one judge of what the API server answers.

use std::future::Future;
use std::time::Duration;

use config_volume::causes;
use kube::Client;

use crate::shown::shown;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the cluster gave no answer, or a refusal. Each `action` completes "cannot …" and names the object: "list backups".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The API server gave no answer, or there is no cluster to ask.
    #[error("cannot {action}: Kubernetes cannot be reached: {reason}")]
    Unreachable {
        /// What was tried.
        action: String,
        /// What the connection said.
        reason: String,
    },
    /// The account may not do this.
    #[error("cannot {action}: not allowed: {reason}")]
    NotAllowed {
        /// What was tried.
        action: String,
        /// What the API server said.
        reason: String,
    },
    /// There is no such object, or no such resource.
    #[error("cannot {action}: there is no such object")]
    NotFound {
        /// What was tried.
        action: String,
    },
    /// A ResourceQuota is used up, or asks for more than the object says of itself.
    #[error("cannot {action}: a quota does not allow it: {reason}")]
    Quota {
        /// What was tried.
        action: String,
        /// What the API server said.
        reason: String,
    },
    /// A policy of the cluster does not take it, whatever the account may do: the pod security of a namespace, a
    /// ValidatingAdmissionPolicy, or somebody's webhook.
    #[error("cannot {action}: a policy of the cluster refuses it: {reason}")]
    Policy {
        /// What was tried.
        action: String,
        /// What the API server said, which names the policy.
        reason: String,
    },
    /// The namespace is being deleted, and takes nothing new.
    #[error("cannot {action}: its namespace is being deleted")]
    Ending {
        /// What was tried.
        action: String,
    },
    /// The API server refused for another reason, or what it said cannot be understood.
    #[error("cannot {action}: {reason}")]
    Refused {
        /// What was tried.
        action: String,
        /// What it said.
        reason: String,
    },
}

impl ClusterError {
    /// A lack of rights.
    pub fn not_allowed(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::NotAllowed {
            action: action.into(),
            reason: reason.into(),
        }
    }

    /// Nobody answered.
    pub fn unreachable(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unreachable {
            action: action.into(),
            reason: reason.into(),
        }
    }

    /// Any other refusal.
    pub fn refused(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused {
            action: action.into(),
            reason: reason.into(),
        }
    }

    /// Whether more rights would help.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::NotAllowed { .. })
    }

    /// What an error of the client means to a person.
    pub(crate) fn judged(action: impl Into<String>, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let reason = shown(&status.message);
                match status.code {
                    // In Kubernetes' words this is a lack of rights.
                    _ if is_ending(&status) => Self::Ending {
                        action: action.into(),
                    },
                    401 | 403 if reason.contains("exceeded quota") || reason.contains("failed quota") => {
                        Self::Quota {
                            action: action.into(),
                            reason,
                        }
                    }
                    400 | 403 | 422 if is_policy(&reason) => Self::Policy {
                        action: action.into(),
                        reason,
                    },
                    401 | 403 => Self::not_allowed(action, reason),
                    404 => Self::NotFound {
                        action: action.into(),
                    },
                    _ => Self::refused(action, reason),
                }
            }
            // It answered; what it said cannot be understood, or what was to be asked cannot be said.
            error @ (kube::Error::SerdeError(_) | kube::Error::BuildRequest(_)) => {
                Self::refused(action, shown(&causes(&error)))
            }
            // Its own text is the name of a type.
            kube::Error::Service(cause) => Self::unreachable(action, shown(&causes(cause.as_ref()))),
            other => Self::unreachable(action, shown(&causes(&other))),
        }
    }
}

/// Whether an object was refused because its namespace is being deleted. The API server's admission says so as a cause
/// (`NamespaceTerminatingCause`, kubernetes/kubernetes @04791b4: staging/src/k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go);
/// admissions of others that refuse for it have the same words at best.
fn is_ending(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.reason == "NamespaceTerminating")
        || status.code == 403 && status.message.contains("because it is being terminated")
}

/// Whether a policy has refused an object. Each says so in words alone, under the codes of other refusals (kubernetes/kubernetes
/// @04791b4: staging/src/k8s.io/pod-security-admission/admission/admission.go,
/// staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go and plugin/webhook/errors/statuserror.go).
fn is_policy(message: &str) -> bool {
    ["violates PodSecurity", " denied request: ", " denied the request"]
        .iter()
        .any(|words| message.contains(words))
}

/// Waits for the answer to one request, at most for `limit`. `action` completes "cannot …" and names the object.
///
/// # Errors
/// See [`ClusterError`].
pub async fn ask_within<T>(
    limit: Duration,
    action: impl Into<String>,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClusterError> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| ClusterError::judged(action, error)),
        Err(_) => {
            let reason = format!("no answer within {} s", limit.as_secs());
            Err(ClusterError::unreachable(action, reason))
        }
    }
}

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// The cluster behind this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Waits for the answer to one request. `action` completes "cannot …" and names the object.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn ask<T>(
        &self,
        action: impl Into<String>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        ask_within(REQUEST_TIMEOUT, action, request).await
    }

    /// As [`Cluster::ask`]; an object that is not there is `None`.
    ///
    /// # Errors
    /// As [`Cluster::ask`], without [`ClusterError::NotFound`].
    pub async fn ask_opt<T>(
        &self,
        action: impl Into<String>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>, ClusterError> {
        match self.ask(action, request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_policy_or_a_quota_refuses_is_no_lack_of_rights() {
        let refused = |code: u16, message: &str| judged(json!({"code": code, "message": message}));
        for (code, message) in [
            (
                403,
                "pods \"reader\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false",
            ),
            (
                422,
                "pods \"reader\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no root",
            ),
            (
                400,
                "admission webhook \"w.example.com\" denied the request: no root",
            ),
            (
                403,
                "admission webhook \"w.example.com\" denied the request without explanation",
            ),
        ] {
            let error = refused(code, message);
            assert!(matches!(error, ClusterError::Policy { .. }), "{error}");
            assert!(!error.is_forbidden() && error.to_string().ends_with(message));
            let hint = crate::Error::from(error).hint().unwrap();
            assert!(
                hint.contains("app.kubernetes.io/managed-by=configuratarr"),
                "{hint}"
            );
        }
        for message in [
            "pods \"reader\" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0",
            "pods \"reader\" is forbidden: failed quota: some: must specify limits.cpu for: reader",
        ] {
            let error = refused(403, message);
            assert!(matches!(error, ClusterError::Quota { .. }), "{error}");
        }
        let rights = "pods is forbidden: User \"u\" cannot create resource \"pods\" in API group \"\"";
        assert!(refused(403, rights).is_forbidden());
    }

    fn judged(status: serde_json::Value) -> ClusterError {
        let status: kube::core::Status = serde_json::from_value(status).unwrap();
        ClusterError::judged("create a pod", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_namespace_that_is_being_deleted_is_no_lack_of_rights() {
        let by_cause = json!({
            "code": 403, "reason": "Forbidden", "message": "in other words",
            "details": {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]},
        });
        let by_words = json!({
            "code": 403, "reason": "Forbidden",
            "message": "pods \"x\" is forbidden: unable to create new content in namespace x because it is being terminated",
        });
        for status in [by_cause, by_words] {
            assert_eq!(
                judged(status.clone()),
                ClusterError::Ending {
                    action: "create a pod".to_owned()
                },
                "{status}"
            );
        }
        let of_others = json!({
            "code": 403, "reason": "Forbidden", "message": "no",
            "details": {"causes": [{"reason": "FieldValueForbidden"}]},
        });
        assert!(judged(of_others).is_forbidden());
    }
}
