//! Why a template cannot be rendered, explained to its author. Must not contain a value or a part of the template.

use super::vocabulary::{DEPTH, FILTERS, STATEMENTS, TOKENS};

/// A mistake in a template. The text says what is wrong and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error(
        "this is not a template; look for braces or quotes that are not closed, and words after an expression"
    )]
    Syntax,
    #[error("only {} and raw are allowed in {{% … %}}: no loops, no assignments, no includes", STATEMENTS.join(", "))]
    Statement,
    #[error("there is no multiplication, since it repeats strings; write them out")]
    Multiplication,
    #[error("there are more than {TOKENS} words and signs in its braces; put text outside them")]
    TooManyTokens,
    #[error("its brackets, conditions and signs are nested more than {DEPTH} deep; write it flatter")]
    TooDeep,
    #[error(
        "it uses something that is not there; a template knows access_token, token_type, scope, expires_at and \
         issued_at, which have no members, and fields, which has those that response.keep names"
    )]
    Missing,
    #[error(
        "it uses a member of fields that response.keep of the provider block does not name; add it there"
    )]
    NotKept,
    #[error(
        "the provider's answer lacks a member of fields, or has no line of at most 4 KiB there; correct the pointer in \
         response.keep, and if only answers to a refresh lack it, set refresh.policy: Never"
    )]
    NotAnswered,
    #[error("this filter does not exist; the filters are {}", FILTERS.join(", "))]
    UnknownFilter,
    #[error("there are no tests behind `is`; compare with == or write `if scope`")]
    UnknownTest,
    #[error("there are no functions and methods; use a filter: {}", FILTERS.join(", "))]
    Call,
    #[error("a filter is given too few arguments, or too many")]
    Arguments,
    #[error("an operation or a filter does not fit the value it is given")]
    Unfit,
    #[error("it prints or joins a list or a map; convert it to a string with join, first, last or tojson")]
    NoText,
    #[error("it renders to more than 256 KiB")]
    TooLong,
    #[error("with the keys before it, it renders to more than the 1 MiB that a Secret holds")]
    SecretTooLarge,
    #[error(
        "with the keys before it, it needs more work than one TokenSource may cause; use fewer filters and shorter strings"
    )]
    TooMuchWork,
    #[error("it cannot be evaluated, by a fault of this program; write it differently, and please report it")]
    Panicked,
}

/// A fault, and its line in the template, counted from 1; None if the line is not known.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) line: Option<usize>,
    pub(super) fault: Fault,
}

impl From<Fault> for Flaw {
    fn from(fault: Fault) -> Self {
        Self { line: None, fault }
    }
}
