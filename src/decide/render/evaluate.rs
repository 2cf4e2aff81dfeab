//! Evaluates a parsed template: text, expressions and `if`.
//!
//! Minijinja only parses. Its own evaluator is not used, because some of its operators panic on empty values, and because
//! the cost of its operators cannot be counted: `~` applied to a list doubles every backslash in it. Here every operator
//! handles every value and charges its work to [`Work`]. Must not put a value into a message.

use minijinja::machinery::ast::{
    BinOp, BinOpKind, CallArg, Compare, CompareOpKind, Expr, Slice, Stmt, UnaryOpKind,
};
use serde_json::{Number, Value};

use super::value::{contains, item, negative, places, size, text, truth};
use super::vocabulary::FIELDS;
use super::work::{ITEM, Work};
use super::{Fault, Flaw, LIMIT, Words, filters};

/// The output of one template and the variables that it may use.
pub(super) struct Evaluation<'a> {
    pub(super) words: &'a Words<'a>,
    pub(super) work: &'a mut Work,
    pub(super) output: Vec<u8>,
}

impl Evaluation<'_> {
    /// Appends the output of the statement.
    pub(super) fn statement(&mut self, statement: &Stmt<'_>) -> Result<(), Flaw> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(raw) => self.emit(raw.raw).map_err(at(raw.span().start_line)),
            Stmt::EmitExpr(emit) => {
                let value = self.value(&emit.expr)?;
                let line = emit.span().start_line;
                text(value).and_then(|text| self.emit(&text)).map_err(at(line))
            }
            Stmt::IfCond(condition) => {
                let chosen = truth(&self.value(&condition.expr)?);
                self.statements(if chosen { &condition.true_body } else { &condition.false_body })
            }
            // The grammar refuses all other statements.
            _ => Err(Flaw::from(Fault::Syntax)),
        }
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) -> Result<(), Flaw> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn emit(&mut self, text: &str) -> Result<(), Fault> {
        if self.output.len() + text.len() > LIMIT {
            return Err(Fault::TooLong);
        }
        self.work.charge(text.len())?;
        self.output.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn value(&mut self, expression: &Expr<'_>) -> Result<Value, Flaw> {
        let here = at(expression.span().start_line);
        match expression {
            Expr::Var(word) if word.id == FIELDS => self.fields().map_err(here),
            Expr::Var(word) => {
                let text = self.words.get(word.id).ok_or(Fault::Missing).map_err(here)?;
                self.copied(text).map_err(here)
            }
            Expr::Const(constant) => self.constant(&constant.value).map_err(here),
            Expr::UnaryOp(operation) => {
                let operand = self.value(&operation.expr)?;
                match operation.op {
                    UnaryOpKind::Not => Ok(Value::Bool(!truth(&operand))),
                    UnaryOpKind::Neg => negative(&operand).map_err(here),
                }
            }
            Expr::BinOp(operation) => self.binary(operation),
            Expr::Compare(comparison) => self.comparison(comparison),
            Expr::IfExpr(choice) => {
                if truth(&self.value(&choice.test_expr)?) {
                    self.value(&choice.true_expr)
                } else {
                    choice.false_expr.as_ref().map_or_else(|| Ok(Value::from("")), |other| self.value(other))
                }
            }
            Expr::Filter(filter) => {
                let Some(input) = &filter.expr else { return Err(here(Fault::Syntax)) };
                let input = self.value(input)?;
                let mut arguments = Vec::new();
                for argument in &filter.args {
                    let CallArg::Pos(argument) = argument else { return Err(here(Fault::Arguments)) };
                    arguments.push(self.value(argument)?);
                }
                filters::apply(filter.name, input, &arguments, self.work).map_err(here)
            }
            Expr::GetAttr(member) => self.member(&member.expr, &Value::from(member.name)),
            Expr::GetItem(member) => {
                let key = self.value(&member.subscript_expr)?;
                self.member(&member.expr, &key)
            }
            Expr::Slice(slice) => self.slice(slice),
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => {
                let mut members = serde_json::Map::new();
                for (key, value) in map.keys.iter().zip(&map.values) {
                    let Value::String(key) = self.value(key)? else { return Err(here(Fault::Unfit)) };
                    members.insert(key, self.value(value)?);
                }
                self.work.charge(members.len() * ITEM).map_err(here)?;
                Ok(Value::Object(members))
            }
            Expr::Test(_) => Err(here(Fault::UnknownTest)),
            Expr::Call(_) => Err(here(Fault::Call)),
        }
    }

    /// `whole.key` and `whole[key]`
    fn member(&mut self, whole: &Expr<'_>, key: &Value) -> Result<Value, Flaw> {
        let here = at(whole.span().start_line);
        match (whole, key) {
            // Read from the token, so that the other fields need not be copied.
            (Expr::Var(word), Value::String(name)) if word.id == FIELDS => {
                let text = self.words.field(name).map_err(here)?;
                self.copied(text).map_err(here)
            }
            _ => item(self.value(whole)?, key).map_err(here),
        }
    }

    /// All fields, for `in` and `tojson`.
    fn fields(&mut self) -> Result<Value, Fault> {
        let words = self.words;
        if words.token.kept.is_empty() {
            return Err(Fault::NotKept);
        }
        let fields = words.fields().map(|(name, text)| {
            self.work.charge(ITEM + name.len())?;
            Ok((name.to_owned(), self.copied(text)?))
        });
        fields.collect::<Result<_, Fault>>().map(Value::Object)
    }

    fn list(&mut self, items: &[Expr<'_>]) -> Result<Value, Flaw> {
        self.work.charge(items.len() * ITEM)?;
        items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::Array)
    }

    fn binary(&mut self, operation: &BinOp<'_>) -> Result<Value, Flaw> {
        let here = at(operation.left.span().start_line);
        let left = self.value(&operation.left)?;
        // `and` and `or` return one of their operands, and evaluate the second only if necessary.
        match operation.op {
            BinOpKind::ScAnd if !truth(&left) => return Ok(left),
            BinOpKind::ScOr if truth(&left) => return Ok(left),
            _ => {}
        }
        let right = self.value(&operation.right)?;
        let operator = match operation.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => return Ok(right),
            BinOpKind::Concat => return self.joined(left, right).map_err(here),
            BinOpKind::Add if left.is_string() && right.is_string() => {
                return self.joined(left, right).map_err(here);
            }
            BinOpKind::Eq => CompareOpKind::Eq,
            BinOpKind::Ne => CompareOpKind::Ne,
            BinOpKind::Lt => CompareOpKind::Lt,
            BinOpKind::Lte => CompareOpKind::Lte,
            BinOpKind::Gt => CompareOpKind::Gt,
            BinOpKind::Gte => CompareOpKind::Gte,
            BinOpKind::In => CompareOpKind::In,
            BinOpKind::Add
            | BinOpKind::Sub
            | BinOpKind::Mul
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem
            | BinOpKind::Pow => return Err(here(Fault::Unfit)),
        };
        self.compared(operator, &left, &right).map(Value::Bool).map_err(here)
    }

    /// `a < b < c`
    fn comparison(&mut self, comparison: &Compare<'_>) -> Result<Value, Flaw> {
        let here = at(comparison.expr.span().start_line);
        let mut left = self.value(&comparison.expr)?;
        for operation in &comparison.ops {
            let right = self.value(&operation.expr)?;
            if !self.compared(operation.op, &left, &right).map_err(here)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn compared(&mut self, operator: CompareOpKind, left: &Value, right: &Value) -> Result<bool, Fault> {
        self.work.charge(size(left) + size(right))?;
        let ordering = || match (left, right) {
            (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
            (Value::Number(left), Value::Number(right)) => left
                .as_f64()
                .zip(right.as_f64())
                .and_then(|(left, right)| left.partial_cmp(&right))
                .ok_or(Fault::Unfit),
            _ => Err(Fault::Unfit),
        };
        Ok(match operator {
            CompareOpKind::Eq => left == right,
            CompareOpKind::Ne => left != right,
            CompareOpKind::Lt => ordering()?.is_lt(),
            CompareOpKind::Lte => ordering()?.is_le(),
            CompareOpKind::Gt => ordering()?.is_gt(),
            CompareOpKind::Gte => ordering()?.is_ge(),
            CompareOpKind::In => contains(right, left)?,
            CompareOpKind::NotIn => !contains(right, left)?,
        })
    }

    fn joined(&mut self, left: Value, right: Value) -> Result<Value, Fault> {
        let (mut left, right) = (text(left)?, text(right)?);
        let length = left.len() + right.len();
        if length > LIMIT {
            return Err(Fault::TooLong);
        }
        self.work.charge(length)?;
        left.push_str(&right);
        Ok(Value::String(left))
    }

    /// `text[start:stop:step]`, as in Python.
    fn slice(&mut self, slice: &Slice<'_>) -> Result<Value, Flaw> {
        let here = at(slice.expr.span().start_line);
        let whole = self.value(&slice.expr)?;
        let mut bounds = [None; 3];
        for (bound, expression) in bounds.iter_mut().zip([&slice.start, &slice.stop, &slice.step]) {
            let Some(expression) = expression else { continue };
            *bound = match self.value(expression)? {
                Value::Null => None,
                value => Some(value.as_i64().ok_or(Fault::Unfit).map_err(here)?),
            };
        }
        self.work.charge(size(&whole)).map_err(here)?;
        match whole {
            Value::String(text) => {
                let letters: Vec<char> = text.chars().collect();
                let places = places(letters.len(), bounds).map_err(here)?;
                Ok(Value::String(places.filter_map(|place| letters.get(place)).collect()))
            }
            Value::Array(items) => {
                let places = places(items.len(), bounds).map_err(here)?;
                let mut items: Vec<Option<Value>> = items.into_iter().map(Some).collect();
                Ok(Value::Array(places.filter_map(|place| items.get_mut(place)?.take()).collect()))
            }
            _ => Err(here(Fault::Unfit)),
        }
    }

    fn constant(&mut self, constant: &minijinja::Value) -> Result<Value, Fault> {
        use minijinja::value::ValueKind;
        match constant.kind() {
            ValueKind::String => self.copied(constant.as_str().unwrap_or_default()),
            ValueKind::None => Ok(Value::Null),
            ValueKind::Bool => Ok(Value::Bool(constant.is_true())),
            ValueKind::Number if constant.is_integer() => {
                i64::try_from(constant.clone()).map(Value::from).map_err(|_| Fault::Unfit)
            }
            ValueKind::Number => {
                let number = f64::try_from(constant.clone()).ok().and_then(Number::from_f64);
                number.map(Value::Number).ok_or(Fault::Unfit)
            }
            _ => Err(Fault::Unfit),
        }
    }

    fn copied(&mut self, text: &str) -> Result<Value, Fault> {
        self.work.charge(text.len())?;
        Ok(Value::from(text))
    }
}

/// Adds the line to a fault.
fn at(line: u16) -> impl Fn(Fault) -> Flaw + Copy {
    move |fault| Flaw { line: Some(usize::from(line)), fault }
}
