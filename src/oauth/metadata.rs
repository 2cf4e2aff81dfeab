//! Where an issuer says its token endpoint is: authorization server metadata (RFC 8414, and OpenID Connect Discovery
//! 1.0, which came before it). Knows where the document lies and what is taken from it.
//! Must not know who may be sent what: the endpoint found is judged like one that a spec names. Nothing of the
//! document but that URL is shown to anybody, so that a foreign server cannot be read through it.

use std::fmt;

use serde_json::Value;

use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::Exchanger;
use super::response::{Answer, without_byte_order_mark};
use crate::panics::contain;

/// RFC 8414 §3: between host and path of the issuer.
const OAUTH: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery §4: after the issuer.
const OPENID: &str = "/.well-known/openid-configuration";

/// An issuer identifier (RFC 8414 §2): an https URL without query and fragment, compared as text.
#[derive(Clone, Debug)]
pub struct Issuer {
    text: String,
    endpoint: Endpoint,
}

/// What is taken from an issuer's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where tokens are asked for.
    pub token_endpoint: String,
    grant_types: Listed,
    authentication_methods: Listed,
}

/// The values that a member lists; nothing where it is left out, is too long to be kept, or is no list of words. Used for
/// comparison alone and never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed(Option<Vec<String>>);

/// How many values of a list are kept, and of which length: more than any standard has.
const LONGEST_LIST: usize = 32;
const LONGEST_VALUE: usize = 100;

impl Listed {
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
    /// Metadata that names this endpoint and nothing else.
    #[cfg(test)]
    pub(crate) fn of(token_endpoint: &str) -> Self {
        let (grant_types, authentication_methods) = <(Listed, Listed)>::default();
        Self { token_endpoint: token_endpoint.to_owned(), grant_types, authentication_methods }
    }

    /// What a request of this grant and client authentication uses though the metadata does not list it, in a sentence for
    /// a person. Not every server lists all that it takes, so it explains a refusal and is none.
    pub fn unlisted(&self, grant_type: &str, method: &str) -> Option<String> {
        let grant = self.grant_types.lacks(grant_type).then(|| format!("grant type `{grant_type}`"));
        let method =
            self.authentication_methods.lacks(method).then(|| format!("client authentication `{method}`"));
        let parts: Vec<String> = grant.into_iter().chain(method).collect();
        (!parts.is_empty()).then(|| format!("The issuer's metadata does not list {}.", parts.join(" and ")))
    }
}

/// What is wrong with metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MetadataFault {
    /// Neither place has a document: the status of the last answer.
    Status(u16),
    /// It is no JSON object.
    NotJson,
    /// It names no issuer.
    NoIssuer,
    /// It names no token endpoint.
    NoTokenEndpoint,
}

impl fmt::Display for MetadataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it answered {status} where metadata should be"),
            Self::NotJson => f.write_str("it sent no JSON object"),
            Self::NoIssuer => f.write_str("its metadata names no `issuer`"),
            Self::NoTokenEndpoint => f.write_str("its metadata names no `token_endpoint`"),
        }
    }
}

impl Issuer {
    /// Reads and judges an issuer, as [`Endpoint::parse`] does.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(text)?;
        if endpoint.url().query().is_some() {
            return Err(Error::spec("an issuer has no query (RFC 8414, section 2)"));
        }
        Ok(Self { text: text.to_owned(), endpoint })
    }

    /// Where the document may lie, in the order in which it is looked for.
    fn locations(&self) -> [Endpoint; 2] {
        let path = self.endpoint.url().path().trim_end_matches('/');
        [format!("{OAUTH}{path}"), format!("{path}{OPENID}")].map(|path| self.endpoint.with_path(&path))
    }

    /// Finds the metadata. With `mutual_tls` the token endpoint is the one for clients that show a certificate, where there
    /// is one of its own (RFC 8705 §5).
    ///
    /// Fails with [`Error::Discovery`], [`Error::IssuerMismatch`], [`Error::Tls`] or [`Error::EndpointNotAllowed`].
    pub async fn discover(
        &self,
        exchanger: &Exchanger,
        user_agent: &str,
        mutual_tls: bool,
    ) -> Result<Metadata, Error> {
        let mut missed = (false, self.fault(MetadataFault::NotJson));
        for location in self.locations() {
            let (is_document, error) = match exchanger.document(&location, user_agent).await {
                // A library reads the document.
                Ok(answer) => match contain(|| self.read(&answer, mutual_tls))
                    .unwrap_or(Err(Fault::Absent(MetadataFault::NotJson)))
                {
                    Ok(found) => {
                        return match Endpoint::parse(&found.token_endpoint) {
                            Ok(_) => Ok(found),
                            // It is the document that says so, not the spec.
                            Err(Error::EndpointNotAllowed { host, why, .. }) => {
                                Err(Error::address_not_allowed(host, why))
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
            // A server without the document may answer anything at all here, even with that of another issuer: the other
            // place decides. What is wrong with a document tells more than that there is none.
            if is_document || !missed.0 {
                missed = (is_document, error);
            }
        }
        Err(missed.1)
    }

    fn read(&self, answer: &Answer, mutual_tls: bool) -> Result<Metadata, Fault> {
        if answer.status != 200 {
            return Err(Fault::Absent(MetadataFault::Status(answer.status)));
        }
        let document: Value = serde_json::from_slice(without_byte_order_mark(&answer.body))
            .map_err(|_| Fault::Absent(MetadataFault::NotJson))?;
        if !document.is_object() {
            return Err(Fault::Absent(MetadataFault::NotJson));
        }
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let issuer = text("/issuer").ok_or(Fault::Absent(MetadataFault::NoIssuer))?;
        // RFC 8414 §3.3: identical, not equivalent.
        if issuer != self.text {
            return Err(Fault::Mismatch);
        }
        let alias = text("/mtls_endpoint_aliases/token_endpoint").filter(|_| mutual_tls);
        let endpoint = alias.or_else(|| text("/token_endpoint"));
        Ok(Metadata {
            token_endpoint: endpoint.ok_or(Fault::Wrong(MetadataFault::NoTokenEndpoint))?.to_owned(),
            grant_types: Listed::read(document.get("grant_types_supported")),
            authentication_methods: Listed::read(document.get("token_endpoint_auth_methods_supported")),
        })
    }

    fn fault(&self, fault: MetadataFault) -> Error {
        Error::discovery(self.endpoint.host(), fault.to_string())
    }

    /// What people and policy have to mend keeps its own word; the rest is a document that could not be read.
    fn wrap(&self, error: Error) -> Error {
        match error {
            Error::Tls { .. } | Error::EndpointNotAllowed { .. } | Error::Proxy { .. } => error,
            Error::Spec { what } => {
                Error::discovery(self.endpoint.host(), format!("its `token_endpoint`: {what}"))
            }
            other => Error::discovery(self.endpoint.host(), other.to_string()),
        }
    }
}

enum Fault {
    Absent(MetadataFault),
    Wrong(MetadataFault),
    Mismatch,
}

#[cfg(test)]
mod tests;
