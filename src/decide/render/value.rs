//! Operations on the values of a template, defined for every value: a missing part is a fault, never a panic. Must not know
//! templates.

use serde_json::{Number, Value};

use super::Fault;
use super::work::ITEM;

/// The indexes that a slice selects from this number of items. Bounds outside are moved to the nearest end.
pub(super) fn places(
    length: usize,
    [from, to, by]: [Option<i64>; 3],
) -> Result<impl Iterator<Item = usize>, Fault> {
    let length = i64::try_from(length).map_err(|_| Fault::TooLong)?;
    let step = by.unwrap_or(1);
    let (lowest, highest) = match step {
        0 => return Err(Fault::Unfit),
        1.. => (0, length),
        _ => (-1, length - 1),
    };
    let moved = |bound: i64| {
        let counted = if bound < 0 { bound.saturating_add(length) } else { bound };
        counted.clamp(lowest, highest)
    };
    let (first, end) = if step > 0 { (lowest, highest) } else { (highest, lowest) };
    let (first, end) = (from.map_or(first, moved), to.map_or(end, moved));
    let inside = move |place: &i64| if step > 0 { *place < end } else { *place > end };
    Ok(std::iter::successors(Some(first), move |place| place.checked_add(step))
        .take_while(inside)
        .filter_map(|place| usize::try_from(place).ok()))
}

/// A member of a list or of a map. A negative index counts from the end of the list.
pub(super) fn item(whole: Value, key: &Value) -> Result<Value, Fault> {
    match (whole, key) {
        (Value::Array(mut items), key) => {
            let index = key.as_i64().ok_or(Fault::Missing)?;
            let length = i64::try_from(items.len()).map_err(|_| Fault::TooLong)?;
            let index = if index < 0 { index.saturating_add(length) } else { index };
            let index =
                usize::try_from(index).ok().filter(|index| *index < items.len()).ok_or(Fault::Missing)?;
            Ok(items.swap_remove(index))
        }
        (Value::Object(mut members), Value::String(name)) => members.remove(name).ok_or(Fault::Missing),
        _ => Err(Fault::Missing),
    }
}

pub(super) fn contains(whole: &Value, part: &Value) -> Result<bool, Fault> {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => Ok(whole.contains(part.as_str())),
        (Value::Array(items), part) => Ok(items.contains(part)),
        (Value::Object(members), Value::String(name)) => Ok(members.contains_key(name)),
        _ => Err(Fault::Unfit),
    }
}

pub(super) fn negative(value: &Value) -> Result<Value, Fault> {
    match value.as_i64() {
        Some(number) => number.checked_neg().map(Value::from),
        None => value.as_f64().and_then(|number| Number::from_f64(-number)).map(Value::Number),
    }
    .ok_or(Fault::Unfit)
}

/// Whether `if` considers the value true: all values but none, zero, and empty ones.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// The value as text, in Jinja's spelling. Lists and maps are refused, because no program could read them.
pub(super) fn text(value: Value) -> Result<String, Fault> {
    match value {
        Value::Null => Ok("None".to_owned()),
        Value::Bool(true) => Ok("True".to_owned()),
        Value::Bool(false) => Ok("False".to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text),
        Value::Array(_) | Value::Object(_) => Err(Fault::NoText),
    }
}

/// How many bytes an operation over the whole value touches.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| ITEM + size(item)).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| ITEM + name.len() + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
