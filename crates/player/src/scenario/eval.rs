//! Expressions and byte templates → values, in a [`Scope`].

use bytes::Bytes;

use super::scope::{Scope, Unbound};
use super::{BytePart, ByteTemplate, Expr, Place, TextPart, TextTemplate, Var};
use crate::wire::{Payload, Text, Value};

/// Why a packet or bytes cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    /// One sentence for people.
    pub message: String,
    /// The field or step in the scenario's file.
    pub place: Place,
    /// The target's profile lacks what the script names (a login, data for enhanced authentication): the case is to be
    /// skipped and is no error.
    pub skip: bool,
}

impl BuildError {
    pub(super) fn new(place: &Place, message: impl Into<String>) -> BuildError {
        BuildError {
            message: message.into(),
            place: place.clone(),
            skip: false,
        }
    }

    pub(super) fn unbound(place: &Place, unbound: Unbound) -> BuildError {
        BuildError {
            message: unbound.to_string(),
            place: place.clone(),
            skip: matches!(unbound, Unbound::NotInProfile(_)),
        }
    }
}

/// Why an expression has no value of the kind that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoValue {
    Unbound(Unbound),
    /// More than a field can hold, counted from what the broker states: there is no such packet for this broker.
    Beyond(String),
    Other(String),
}

impl From<Unbound> for NoValue {
    fn from(unbound: Unbound) -> NoValue {
        NoValue::Unbound(unbound)
    }
}

impl NoValue {
    pub(super) fn at(self, place: &Place) -> BuildError {
        match self {
            NoValue::Unbound(unbound) => BuildError::unbound(place, unbound),
            NoValue::Beyond(message) => BuildError {
                skip: true,
                ..BuildError::new(place, message)
            },
            NoValue::Other(message) => BuildError::new(place, message),
        }
    }
}

fn other<T>(message: impl Into<String>) -> Result<T, NoValue> {
    Err(NoValue::Other(message.into()))
}

impl TextTemplate {
    /// The text with its variables filled in: numbers in decimal, text and binary data as they are.
    ///
    /// # Errors
    /// If a variable has no value.
    pub fn text(&self, scope: &Scope) -> Result<Text, Unbound> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            match part {
                TextPart::Plain(text) => bytes.extend_from_slice(text.as_bytes()),
                TextPart::Var(var) => bytes.extend_from_slice(&value_bytes(&scope.get(var)?)),
            }
        }
        Ok(bytes.into())
    }

    /// The text if it has no variables in it.
    pub fn literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                TextPart::Plain(text) => Some(text.as_str()),
                TextPart::Var(_) => None,
            })
            .collect()
    }

    /// The variables in it.
    pub fn vars(&self) -> impl Iterator<Item = &Var> {
        self.0.iter().filter_map(|part| match part {
            TextPart::Var(var) => Some(var),
            TextPart::Plain(_) => None,
        })
    }
}

impl ByteTemplate {
    /// The bytes with their variables filled in. `..` and `...` are permitted only in expectations and yield nothing
    /// here.
    ///
    /// # Errors
    /// If a variable has no value, a number is above 65 535, or a string is longer than 65 535 bytes.
    pub fn bytes(&self, scope: &Scope, place: &Place) -> Result<Vec<u8>, BuildError> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            append(&mut bytes, part, scope).map_err(|e| e.at(place))?;
        }
        Ok(bytes)
    }

    /// The variables in it.
    pub fn vars(&self) -> impl Iterator<Item = &Var> {
        self.0.iter().flat_map(|part| {
            let (text, id) = match part {
                BytePart::Text(text) | BytePart::String(text) => (Some(text), None),
                BytePart::Id(var) => (None, Some(var)),
                _ => (None, None),
            };
            text.into_iter().flat_map(TextTemplate::vars).chain(id)
        })
    }

    /// Whether the target's login has its place in these bytes.
    pub fn places_login(&self) -> bool {
        self.0
            .iter()
            .any(|part| matches!(part, BytePart::Login | BytePart::LoginFlags(_)))
    }
}

/// Adds the bytes of one part.
pub(super) fn append(bytes: &mut Vec<u8>, part: &BytePart, scope: &Scope) -> Result<(), NoValue> {
    match part {
        BytePart::Bytes(own) => bytes.extend_from_slice(own),
        BytePart::Text(text) => bytes.extend_from_slice(text.text(scope)?.as_bytes()),
        BytePart::String(text) => append_string(bytes, text.text(scope)?.as_bytes())?,
        BytePart::Id(var) => match scope.get(var)? {
            Value::Int(n) => match u16::try_from(n) {
                Ok(n) => bytes.extend_from_slice(&n.to_be_bytes()),
                Err(_) => return other(format!("`${}` is {n}, which is more than two bytes hold", var.0)),
            },
            value => bytes.extend_from_slice(&value_bytes(&value)),
        },
        BytePart::Login => {
            if let Some(login) = scope.login() {
                append_string(bytes, login.username.as_bytes())?;
                if let Some(password) = &login.password {
                    append_string(bytes, password)?;
                }
            }
        }
        BytePart::LoginFlags(flags) => bytes.push(flags | login_flags(scope)),
        BytePart::AnyByte | BytePart::Rest => {}
    }
    Ok(())
}

/// The User Name Flag and Password Flag (3.1.1, sections 3.1.2.8 and 3.1.2.9) as the target's login asks for them.
pub(super) fn login_flags(scope: &Scope) -> u8 {
    match scope.login() {
        None => 0,
        Some(login) if login.password.is_none() => 0x80,
        Some(_) => 0xc0,
    }
}

fn append_string(bytes: &mut Vec<u8>, text: &[u8]) -> Result<(), NoValue> {
    let Ok(len) = u16::try_from(text.len()) else {
        return other(too_long(text.len()));
    };
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(text);
    Ok(())
}

fn too_long(len: usize) -> String {
    format!("{len} bytes are more than the 65 535 that a string can have")
}

/// A value as it is inside a text.
fn value_bytes(value: &Value) -> Bytes {
    match value {
        Value::Text(text) => text.to_bytes(),
        Value::Binary(bytes) | Value::Payload(Payload::Bytes(bytes)) => bytes.clone(),
        other => other.to_string().into_bytes().into(),
    }
}

/// The value of a variable with a number added.
pub(super) fn var_value(var: &Var, plus: i64, scope: &Scope) -> Result<Value, NoValue> {
    let value = scope.get(var)?;
    if plus == 0 {
        return Ok(value);
    }
    match value {
        Value::Int(n) => match n.checked_add_signed(plus) {
            Some(n) => Ok(Value::Int(n)),
            None => other(format!("`${}` is {n}: {plus:+} would make it negative", var.0)),
        },
        found => other(format!("`${}` is {found}, not a number", var.0)),
    }
}

impl Expr {
    pub(super) fn boolean(&self, scope: &Scope) -> Result<bool, NoValue> {
        match self {
            Expr::Bool(b) => Ok(*b),
            Expr::Var { var, plus } => match var_value(var, *plus, scope)? {
                Value::Bool(b) => Ok(b),
                Value::Int(n @ 0..=1) => Ok(n == 1),
                found => other(format!("`${}` is {found}, neither true nor false", var.0)),
            },
            _ => other("true or false is needed here"),
        }
    }

    pub(super) fn number(&self, max: u64, scope: &Scope) -> Result<u64, NoValue> {
        let number = match self {
            Expr::Int(n) => *n,
            Expr::Bool(b) => u64::from(*b),
            Expr::Var { var, plus } => match var_value(var, *plus, scope)? {
                Value::Int(n) => n,
                Value::Bool(b) => u64::from(b),
                found => return other(format!("`${}` is {found}, no number", var.0)),
            },
            _ => return other("a number is needed here"),
        };
        let stated = matches!(self, Expr::Var { var, plus } if *plus > 0 && var.0.contains('.'));
        if number > max && stated {
            return Err(NoValue::Beyond(format!(
                "the broker sets no limit here: {number} is more than the {max} that the field can hold"
            )));
        }
        if number > max {
            return other(format!("{number} is more than the {max} that the field can hold"));
        }
        Ok(number)
    }

    /// Text or binary data of at most 65 535 bytes.
    pub(super) fn data(&self, scope: &Scope) -> Result<Bytes, NoValue> {
        let bytes = self.unbounded(scope)?;
        if bytes.len() > usize::from(u16::MAX) {
            return other(too_long(bytes.len()));
        }
        Ok(bytes)
    }

    pub(super) fn payload(&self, scope: &Scope) -> Result<Payload, NoValue> {
        match self {
            Expr::Fill { len, byte } => Ok(Payload::Fill { len: *len, byte: *byte }),
            Expr::Var { var, plus: 0 } => match scope.get(var)? {
                Value::Payload(payload) => Ok(payload),
                value => Ok(Payload::Bytes(value_bytes(&value))),
            },
            _ => Ok(Payload::Bytes(self.unbounded(scope)?)),
        }
    }

    fn unbounded(&self, scope: &Scope) -> Result<Bytes, NoValue> {
        match self {
            Expr::Text(text) => Ok(text.text(scope)?.to_bytes()),
            Expr::Var { var, plus } => Ok(value_bytes(&var_value(var, *plus, scope)?)),
            Expr::Hex(template) => {
                let mut bytes = Vec::new();
                for part in &template.0 {
                    append(&mut bytes, part, scope)?;
                }
                Ok(bytes.into())
            }
            Expr::Fill { len, byte } => match usize::try_from(*len) {
                Ok(len) if len <= usize::from(u16::MAX) => Ok(vec![*byte; len].into()),
                _ => other(too_long(usize::try_from(*len).unwrap_or(usize::MAX))),
            },
            Expr::Padded { start, len, byte } => {
                let mut bytes = start.text(scope)?.as_bytes().to_vec();
                if bytes.len() > *len {
                    return other(format!("the start has {} bytes, more than `size: {len}`", bytes.len()));
                }
                bytes.resize(*len, *byte);
                Ok(bytes.into())
            }
            Expr::Bool(b) => Ok(b.to_string().into_bytes().into()),
            Expr::Int(n) => Ok(n.to_string().into_bytes().into()),
            Expr::Absent | Expr::List(_) | Expr::Map(_) => other("text is needed here"),
        }
    }

    pub fn list(&self) -> &[Expr] {
        match self {
            Expr::List(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    /// Two strings: one user property.
    pub(super) fn pair(&self, scope: &Scope) -> Result<(Text, Text), NoValue> {
        match self.list() {
            [name, value] => Ok((name.data(scope)?.into(), value.data(scope)?.into())),
            _ => other("a name and a value are needed here"),
        }
    }
}
