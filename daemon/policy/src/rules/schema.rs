//! Values held to a JSON Schema.

use std::{error::Error, fmt};

use boon::{Compiler, Draft, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::Value;

/// The name under which a schema is compiled; nothing else can be referred to.
const LOCATION: &str = "urn:fak:schema";

/// A compiled schema.
pub(crate) struct SchemaCheck {
    schemas: Schemas,
    index: SchemaIndex,
    /// The members the schema knows at its top, for the refusal of another one.
    known: String,
}

impl fmt::Debug for SchemaCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchemaCheck")
    }
}

/// Fetches nothing: a reference must lead into the schema itself.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, _url: &str) -> Result<Value, Box<dyn Error>> {
        Err("a schema refers to itself only; nothing is fetched".into())
    }
}

impl SchemaCheck {
    /// Compiles a schema of draft 2020-12. Patterns run in linear time.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nothing));
        let wrong =
            |problem: boon::CompileError| problem.to_string().replace(LOCATION, "the schema");
        compiler
            .add_resource(LOCATION, schema.clone())
            .map_err(wrong)?;
        let index = compiler.compile(LOCATION, &mut schemas).map_err(wrong)?;
        let known = schema.get("properties").and_then(Value::as_object);
        let known = known.map(|known| {
            known
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        });
        Ok(Self {
            schemas,
            index,
            known: known.unwrap_or_default(),
        })
    }

    /// The refusal's words when the value does not satisfy the schema: the keyword, never the value.
    pub(crate) fn refuse(&self, value: &Value) -> Option<String> {
        let problem = self.schemas.validate(value, self.index).err()?;
        let (leaf, depth) = innermost(&problem);
        if depth < 2
            && matches!(leaf.kind, ErrorKind::AdditionalProperties { .. })
            && !self.known.is_empty()
        {
            return Some(format!("an argument is none of {}", self.known));
        }
        Some(format!("the arguments do not satisfy {}", keyword(leaf)))
    }
}

/// The first error without a cause, and how deep it lies.
fn innermost<'e, 's, 'v>(
    problem: &'e ValidationError<'s, 'v>,
) -> (&'e ValidationError<'s, 'v>, usize) {
    let (mut at, mut depth) = (problem, 0);
    while let Some(cause) = at.causes.first() {
        (at, depth) = (cause, depth + 1);
    }
    (at, depth)
}

/// What of the schema is not satisfied, in its own words. `required` names the missing member, which
/// is the policy's word and not the call's.
fn keyword(problem: &ValidationError<'_, '_>) -> String {
    match &problem.kind {
        ErrorKind::Required { want } => format!("required: {}", want.join(", ")),
        ErrorKind::Type { .. } => "type".to_owned(),
        ErrorKind::AdditionalProperties { .. } => "additionalProperties".to_owned(),
        ErrorKind::Enum { .. } => "enum".to_owned(),
        ErrorKind::Const { .. } => "const".to_owned(),
        ErrorKind::Pattern { .. } => "pattern".to_owned(),
        ErrorKind::Minimum { .. } | ErrorKind::ExclusiveMinimum { .. } => "minimum".to_owned(),
        ErrorKind::Maximum { .. } | ErrorKind::ExclusiveMaximum { .. } => "maximum".to_owned(),
        ErrorKind::MinLength { .. }
        | ErrorKind::MinItems { .. }
        | ErrorKind::MinProperties { .. } => "a least size".to_owned(),
        ErrorKind::MaxLength { .. }
        | ErrorKind::MaxItems { .. }
        | ErrorKind::MaxProperties { .. } => "a greatest size".to_owned(),
        _ => "the schema".to_owned(),
    }
}
