//! Finds the endpoints of an issuer in its metadata (RFC 8414, and OpenID Connect Discovery 1.0, which preceded it).
//! Knows where the document is and which members are used. Must not know which hosts may receive credentials: each endpoint
//! is checked like one that a spec names. Of the document, only these URLs are shown, so that nobody can read another server
//! through the controller.

use serde_json::Value;

use super::endpoint::Endpoint;
use super::error::Error;
use super::response::{HttpResponse, without_byte_order_mark};
use super::token_client::TokenClient;
use crate::panics::contain;

/// RFC 8414 §3: inserted between host and path of the issuer.
const OAUTH: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery §4: appended to the issuer.
const OPENID: &str = "/.well-known/openid-configuration";

/// An issuer identifier (RFC 8414 §2): an https URL without query and fragment, compared as a string.
#[derive(Clone, Debug)]
pub struct Issuer {
    text: String,
    endpoint: Endpoint,
}

/// The members of an issuer's metadata that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The URL of the token endpoint.
    pub token_endpoint: String,
    /// The URL of the revocation endpoint (RFC 7009), if the metadata names one.
    pub revocation_endpoint: Option<String>,
    grant_types: ListedValues,
    authentication_methods: ListedValues,
}

/// The values that a member lists. None if the member is absent, too long, or not a list of strings. Used for comparison only
/// and never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ListedValues(Option<Vec<String>>);

/// The longest list that is kept, and its longest value: more than any standard has.
const LONGEST_LIST: usize = 32;
const LONGEST_VALUE: usize = 100;
/// The longest URL that is kept without being parsed, in bytes.
const LONGEST_URL: usize = 2048;

impl ListedValues {
    fn read(value: Option<&Value>) -> Self {
        let values = value.and_then(Value::as_array).filter(|values| values.len() <= LONGEST_LIST);
        let word =
            |value: &Value| value.as_str().filter(|word| word.len() <= LONGEST_VALUE).map(str::to_owned);
        Self(values.and_then(|values| values.iter().map(word).collect()))
    }

    fn lacks(&self, wanted: &str) -> bool {
        self.0.as_ref().is_some_and(|values| values.iter().all(|value| value != wanted))
    }
}

impl Metadata {
    /// Metadata with this endpoint and nothing else.
    #[cfg(test)]
    pub(crate) fn of(token_endpoint: &str) -> Self {
        let (grant_types, authentication_methods) = <(ListedValues, ListedValues)>::default();
        let token_endpoint = token_endpoint.to_owned();
        Self { token_endpoint, revocation_endpoint: None, grant_types, authentication_methods }
    }

    /// A sentence about the grant type or client authentication that a request uses but the metadata does not list. Not every
    /// server lists all that it supports, so the sentence only explains a refusal and is no reason to refuse.
    /// Both are names that metadata can list; None if the request's has no such name.
    pub fn unlisted(&self, grant_type: Option<&str>, method: Option<&str>) -> Option<String> {
        let grant = grant_type.filter(|grant| self.grant_types.lacks(grant));
        let grant = grant.map(|grant| format!("grant type `{grant}`"));
        let method = method.filter(|method| self.authentication_methods.lacks(method));
        let method = method.map(|method| format!("client authentication `{method}`"));
        let parts: Vec<String> = grant.into_iter().chain(method).collect();
        (!parts.is_empty()).then(|| format!("The issuer's metadata does not list {}.", parts.join(" and ")))
    }
}

/// A fault of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum MetadataFault {
    #[error("it answered {0} where metadata should be")]
    Status(u16),
    #[error("it sent no JSON object")]
    NotJson,
    #[error("its metadata names no `issuer`")]
    NoIssuer,
    #[error("its metadata names no `token_endpoint`")]
    NoTokenEndpoint,
}

impl Issuer {
    /// Parses and checks an issuer, as [`Endpoint::parse`] does.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(text)?;
        if endpoint.url().query().is_some() {
            return Err(Error::spec("an issuer has no query (RFC 8414, section 2)"));
        }
        Ok(Self { text: text.to_owned(), endpoint })
    }

    /// The host of the metadata.
    pub fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// The URLs where the document may be, in the order in which they are tried.
    fn locations(&self) -> [Endpoint; 2] {
        let path = self.endpoint.url().path().trim_end_matches('/');
        [format!("{OAUTH}{path}"), format!("{path}{OPENID}")].map(|path| self.endpoint.with_path(&path))
    }

    /// Fetches the metadata. With `mutual_tls`, the endpoints are those for clients with a certificate, if the metadata has
    /// any (RFC 8705 §5).
    ///
    /// Fails with [`Error::Discovery`], [`Error::IssuerMismatch`], [`Error::Tls`], [`Error::Proxy`] or
    /// [`Error::EndpointNotAllowed`].
    pub async fn discover(&self, client: &TokenClient, mutual_tls: bool) -> Result<Metadata, Error> {
        let mut missed = (false, self.fault(MetadataFault::NotJson));
        for location in self.locations() {
            let (is_document, error) = match client.document(&location).await {
                // A library parses the document, and may panic.
                Ok(response) => match contain(|| self.read(&response, mutual_tls))
                    .unwrap_or(Err(Fault::Absent(MetadataFault::NotJson)))
                {
                    Ok(found) => {
                        return match Endpoint::parse(&found.token_endpoint) {
                            Ok(_) => Ok(found),
                            // The document names the endpoint, so the error says something about the network.
                            Err(Error::EndpointNotAllowed { host, why, .. }) => {
                                Err(Error::address_not_allowed(host, why))
                            }
                            Err(Error::Spec { what }) => {
                                Err(Error::discovery(self.host(), format!("its `token_endpoint`: {what}")))
                            }
                            Err(error) => Err(self.wrap(error)),
                        };
                    }
                    Err(Fault::Absent(fault)) => (false, self.fault(fault)),
                    Err(Fault::Wrong(fault)) => (true, self.fault(fault)),
                    Err(Fault::Mismatch) => {
                        (true, Error::IssuerMismatch { host: self.endpoint.host().to_owned() })
                    }
                },
                Err(error @ (Error::TooLarge { .. } | Error::Malformed { .. })) => (false, self.wrap(error)),
                Err(error) => return Err(self.wrap(error)),
            };
            // A server without the document may answer anything here, even the document of another issuer, so the other URL
            // decides. An error in a document is more useful than a missing document.
            if is_document || !missed.0 {
                missed = (is_document, error);
            }
        }
        Err(missed.1)
    }

    fn read(&self, response: &HttpResponse, mutual_tls: bool) -> Result<Metadata, Fault> {
        if response.status != 200 {
            return Err(Fault::Absent(MetadataFault::Status(response.status)));
        }
        let document: Value = serde_json::from_slice(without_byte_order_mark(&response.body))
            .map_err(|_| Fault::Absent(MetadataFault::NotJson))?;
        if !document.is_object() {
            return Err(Fault::Absent(MetadataFault::NotJson));
        }
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let issuer = text("/issuer").ok_or(Fault::Absent(MetadataFault::NoIssuer))?;
        // RFC 8414 §3.3 demands identical strings, not equivalent URLs.
        if issuer != self.text {
            return Err(Fault::Mismatch);
        }
        let endpoint = |name: &str| {
            let alias = text(&format!("/mtls_endpoint_aliases/{name}")).filter(|_| mutual_tls);
            alias.or_else(|| text(&format!("/{name}"))).map(str::to_owned)
        };
        // The revocation endpoint is checked when it is used, because tokens can be obtained without it.
        let revocation_endpoint = endpoint("revocation_endpoint").filter(|url| url.len() <= LONGEST_URL);
        Ok(Metadata {
            token_endpoint: endpoint("token_endpoint").ok_or(Fault::Wrong(MetadataFault::NoTokenEndpoint))?,
            revocation_endpoint,
            grant_types: ListedValues::read(document.get("grant_types_supported")),
            authentication_methods: ListedValues::read(document.get("token_endpoint_auth_methods_supported")),
        })
    }

    fn fault(&self, fault: MetadataFault) -> Error {
        Error::discovery(self.endpoint.host(), fault.to_string())
    }

    /// Keeps the reason of errors that a person or a network rule must resolve; all others become [`Error::Discovery`].
    fn wrap(&self, error: Error) -> Error {
        match error {
            Error::Tls { .. }
            | Error::Proxy { .. }
            | Error::EndpointNotAllowed { .. }
            | Error::Spec { .. } => error,
            other => Error::discovery(self.endpoint.host(), other.to_string()),
        }
    }
}

enum Fault {
    /// There is no document of an issuer.
    Absent(MetadataFault),
    /// The document of this issuer has a fault.
    Wrong(MetadataFault),
    /// The document belongs to another issuer.
    Mismatch,
}

#[cfg(test)]
mod tests;
