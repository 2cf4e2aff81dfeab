//! Where an issuer says its token endpoint is: authorization server metadata (RFC 8414, and OpenID Connect Discovery
//! 1.0, which came before it). Knows where the document lies and what is taken from it.
//! Must not know who may be sent what: the endpoint found is judged like one that a spec names. Nothing of the
//! document but that URL goes any further, so that a foreign server cannot be read through it.

use std::fmt;

use serde_json::Value;

use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::Exchanger;
use super::response::Answer;
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

    /// Finds the token endpoint; with `mutual_tls` the one for clients that identify themselves by a certificate, where
    /// there is one of its own (RFC 8705 §5).
    ///
    /// Fails with [`Error::Discovery`], [`Error::IssuerMismatch`], [`Error::Tls`] or [`Error::EndpointNotAllowed`].
    pub async fn discover(
        &self,
        exchanger: &Exchanger,
        user_agent: &str,
        mutual_tls: bool,
    ) -> Result<String, Error> {
        let mut missed = MetadataFault::NotJson;
        for location in self.locations() {
            let answer = exchanger.document(&location, user_agent).await.map_err(|error| self.wrap(error))?;
            // A library reads the document.
            let read = contain(|| self.read(&answer, mutual_tls));
            match read.unwrap_or(Err(Fault::Absent(MetadataFault::NotJson))) {
                // A server without this document may answer anything at all there; the other place decides.
                Err(Fault::Absent(fault)) => missed = fault,
                Err(Fault::Wrong(fault)) => return Err(self.fault(fault)),
                Err(Fault::Mismatch) => {
                    return Err(Error::IssuerMismatch { host: self.endpoint.host().to_owned() });
                }
                Ok(url) => {
                    return match Endpoint::parse(&url) {
                        Ok(_) => Ok(url),
                        // It is the document that says so, not the spec.
                        Err(Error::EndpointNotAllowed { host, why, .. }) => {
                            Err(Error::address_not_allowed(host, why))
                        }
                        Err(error) => Err(self.wrap(error)),
                    };
                }
            }
        }
        Err(self.fault(missed))
    }

    fn read(&self, answer: &Answer, mutual_tls: bool) -> Result<String, Fault> {
        if answer.status != 200 {
            return Err(Fault::Absent(MetadataFault::Status(answer.status)));
        }
        let document: Value =
            serde_json::from_slice(&answer.body).map_err(|_| Fault::Absent(MetadataFault::NotJson))?;
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
        endpoint.map(str::to_owned).ok_or(Fault::Wrong(MetadataFault::NoTokenEndpoint))
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
