//! What a template may consist of: text, expressions, and `if`.
//!
//! Without loops, assignments and repetition, a rendering is at most as many values long as the template has words.
//! Minijinja's fuel would bound instructions only: `{% set a = a ~ a %}`, forty times, is forty instructions and a
//! terabyte. Must not judge anything else: what is wrong beyond this, the compiler says.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{Flaw, flaw};

/// The statements.
const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// How many words and signs may stand in the braces of one template.
const TOKENS: usize = 500;

/// Refuses what could grow without bounds.
pub(super) fn check(source: &str, syntax: &SyntaxConfig) -> Result<(), Flaw> {
    let (mut count, mut at_statement) = (0_usize, false);
    for token in tokenize(source, false, syntax.clone()) {
        let (token, span) = token.map_err(|error| flaw(&error))?;
        let refuse = |why: String| Err(Flaw { line: Some(usize::from(span.start_line)), why });
        match token {
            Token::TemplateData(_) => continue,
            Token::Ident(word) if at_statement && !STATEMENTS.contains(&word) => {
                return refuse(format!(
                    "only {} and raw may stand in {{% … %}}: no loops, no assignments, no includes",
                    STATEMENTS.join(", ")
                ));
            }
            Token::Mul | Token::Pow => {
                return refuse(
                    "there is no multiplication, since it repeats texts; write them out".to_owned(),
                );
            }
            _ => {}
        }
        at_statement = matches!(token, Token::BlockStart);
        count += 1;
        if count > TOKENS {
            return refuse(format!(
                "there are more than {TOKENS} words and signs in its braces; put text outside them"
            ));
        }
    }
    Ok(())
}
