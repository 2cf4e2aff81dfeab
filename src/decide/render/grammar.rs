//! The permitted syntax of templates: text, expressions, and `if`.
//!
//! Without loops, assignments and repetition, each expression of a template is evaluated once at most. Nesting is limited,
//! because parser and evaluation recurse and a stack overflow ends the process. The parser reports all other errors of
//! syntax.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::vocabulary::{DEPTH, STATEMENTS, TOKENS};
use super::{Fault, Flaw};

/// Refuses what could use unbounded memory or time: some operators and statements, too many tokens, and too deep nesting.
pub(super) fn check(source: &str, syntax: &SyntaxConfig) -> Result<(), Flaw> {
    let (mut count, mut nesting, mut at_statement) = (0_usize, Nesting::default(), false);
    for token in tokenize(source, false, syntax.clone()) {
        let (token, span) = token.map_err(|error| Flaw { line: error.line(), fault: Fault::Syntax })?;
        let refuse = |fault| Err(Flaw { line: Some(usize::from(span.start_line)), fault });
        match token {
            Token::TemplateData(_) => continue,
            Token::Ident(word) if at_statement && !STATEMENTS.contains(&word) => {
                return refuse(Fault::Statement);
            }
            Token::Mul | Token::Pow => return refuse(Fault::Multiplication),
            _ => {}
        }
        nesting.add(&token, at_statement);
        at_statement = matches!(token, Token::BlockStart);
        count += 1;
        if count > TOKENS {
            return refuse(Fault::TooManyTokens);
        }
        if nesting.depth() > DEPTH {
            return refuse(Fault::TooDeep);
        }
    }
    Ok(())
}

/// An upper bound of the parser's recursion, counted by tokens without knowing where an operand ends.
#[derive(Default)]
struct Nesting {
    /// Open brackets of all kinds.
    brackets: usize,
    /// Tokens since the last `{{` or `{%` that recurse without brackets: `not`, `-`, `if`, `else`.
    prefixes: usize,
    /// The open `if` statements, each with the number of its branches, which are nested, too.
    conditions: Vec<usize>,
}

impl Nesting {
    fn add(&mut self, token: &Token<'_>, at_statement: bool) {
        match token {
            Token::VariableStart | Token::BlockStart => (self.brackets, self.prefixes) = (0, 0),
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => self.brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                self.brackets = self.brackets.saturating_sub(1);
            }
            Token::Ident("if") if at_statement => self.conditions.push(1),
            Token::Ident("elif") if at_statement => {
                if let Some(branches) = self.conditions.last_mut() {
                    *branches += 1;
                }
            }
            Token::Ident("endif") if at_statement => {
                self.conditions.pop();
            }
            Token::Ident("not" | "if" | "else") | Token::Minus => self.prefixes += 1,
            _ => {}
        }
    }

    fn depth(&self) -> usize {
        self.brackets + self.prefixes + self.conditions.iter().sum::<usize>()
    }
}
