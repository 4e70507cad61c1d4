//! The OpenAPI 3.1 document, made from the operations and types of this crate.

mod calls;

use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ObjectBuilder, OpenApi, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::body;
use crate::entry::Header;
use crate::instant::Instant;
use crate::notice::{Acknowledgement, NoticeBody, NoticeHeader};
use crate::operation;
use crate::problem::Problem;
use crate::query::{Answer, QueryBody, QueryHeader};
use crate::receipt::{Head, Receipt, Reconciliation, Stored};
use crate::signature::DetachedJws;

/// One entry with its body, signature and receipts. Digests and signatures are over the JSON values as
/// received: keep the raw JSON, never write a typed value out again in its place.
#[derive(Clone, Debug, ToSchema, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// The signed part.
    pub header: Header,
    /// The erasable part; null once erased.
    #[schema(value_type = EntryBody)]
    pub body: serde_json::Value,
    /// When the body was erased; present only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Instant>,
    /// The author's signature over the header.
    pub signature: DetachedJws,
    /// The sequencer's receipt, and the other party's. Absent or empty when the originating authority proposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 2)]
    pub receipts: Option<Vec<SignedReceipt>>,
}

macro_rules! signed_form {
    ($name:ident, $content:ty, $member:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, ToSchema, serde::Serialize)]
        pub struct $name {
            /// What is said.
            pub $member: $content,
            /// The signature over it.
            pub signature: DetachedJws,
        }
    };
}

signed_form!(SignedReceipt, Receipt, receipt, "A receipt: the entry is stored. Never an acceptance.");
signed_form!(SignedHead, Head, head, "A party's word on where its copy of a ledger ends.");
signed_form!(
    SignedReconciliation,
    Reconciliation,
    reconciliation,
    "A party's count and digest of the shared ledgers."
);
signed_form!(
    SignedAnswer,
    Answer,
    answer,
    "Whether the authority that was asked knows the child, and whom to ring."
);
signed_form!(
    SignedAcknowledgement,
    Acknowledgement,
    acknowledgement,
    "A person has read the notice. It accepts nothing."
);
signed_form!(SignedStored, Stored, stored, "A storage receipt, of what stands in no ledger.");
signed_form!(SignedDirectory, crate::directory::Directory, directory, "One issue of the directory.");

macro_rules! statement_form {
    ($name:ident, $header:ty, $body:ty, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, ToSchema, serde::Serialize)]
        pub struct $name {
            /// The signed part.
            pub header: $header,
            /// The part with personal data, under the header's digest.
            pub body: $body,
            /// The author's signature over the header.
            pub signature: DetachedJws,
        }
    };
}

statement_form!(SignedQuery, QueryHeader, QueryBody, "A query: does this authority know this child?");
statement_form!(SignedNotice, NoticeHeader, NoticeBody, "A fact about a child of the recipient's area.");

/// The body that belongs to the header's type, or null.
///
/// `anyOf`, not `oneOf`: the header's `type` tells which, and a small body can have the form of two types.
pub struct EntryBody;

/// The body schemas by entry type.
macro_rules! bodies {
    ($($body:ident),+) => {
        impl PartialSchema for EntryBody {
            fn schema() -> RefOr<Schema> {
                let any = AnyOfBuilder::new().description(Some(
                    "The body of the header's type, or null once it is erased.",
                ));
                let any = any$(.item(Ref::from_schema_name(name_of::<body::$body>())))+;
                any.item(ObjectBuilder::new().schema_type(Type::Null)).into()
            }
        }

        impl ToSchema for EntryBody {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(
                    schemas.push((name_of::<body::$body>(), body::$body::schema()));
                    body::$body::schemas(schemas);
                )+
            }
        }
    };
}

bodies!(
    Offer,
    Acknowledge,
    RequestInformation,
    SupplyInformation,
    Accept,
    Decline,
    Contest,
    Uphold,
    Redirect,
    Withdraw,
    OutcomeEntry,
    Retract,
    Correct
);

fn name_of<T: ToSchema>() -> String {
    T::name().into_owned()
}

/// The document of version 1.
pub fn document() -> OpenApi {
    use utoipa::openapi::{
        ContactBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder, PathsBuilder, ServerBuilder,
    };
    let info = InfoBuilder::new()
        .title("CME transfer protocol")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "How English local authorities hand over responsibility for children missing education. \
             The normative text is in spec/text; this document gives the shapes and the refusals.",
        ))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0 OR MIT").identifier(Some("Apache-2.0 OR MIT")).build(),
        ))
        .contact(Some(ContactBuilder::new().name(Some("The maintainers")).build()))
        .build();
    let mut paths = PathsBuilder::new();
    for operation in operation::ALL {
        let (path, mut item) = (operation.document)();
        calls::complete(operation, &mut item);
        paths = paths.path(path, item);
    }
    let server = ServerBuilder::new()
        .url("https://cme.council.example/373")
        .description(Some("An authority's base URL, as the directory gives it"))
        .build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([server]))
        .paths(paths.build())
        .components(Some(components()))
        .security(Some([mutual_tls()]))
        .tags(Some(calls::tags()))
        .build();
    hoist_variants(&mut document);
    leave_out_rather_than_null(&mut document);
    document
}

/// The document's text, as it is published. Ends with a newline.
///
/// # Panics
/// When the document can't be written as JSON, which would be a bug of this crate.
pub fn document_text() -> String {
    let mut text = document().to_pretty_json().expect("the document is made of JSON values");
    text.push('\n');
    text
}

fn mutual_tls() -> SecurityRequirement {
    SecurityRequirement::new("mutualTls", [] as [&str; 0])
}

fn components() -> Components {
    let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
    let mut add = |(name, schema): (String, RefOr<Schema>)| {
        if !schemas.iter().any(|(held, _)| *held == name) {
            schemas.push((name, schema));
        }
    };
    let mut found = Vec::new();
    macro_rules! collect {
        ($($kind:ty),+) => {$(
            found.push((name_of::<$kind>(), <$kind>::schema()));
            <$kind>::schemas(&mut found);
        )+};
    }
    collect!(
        operation::get_capabilities::Capabilities,
        operation::list_entries::EntryPage,
        operation::list_heads::HeadPage,
        operation::put_query::QueryAnswers,
        LedgerEntry,
        SignedReceipt,
        SignedHead,
        SignedReconciliation,
        SignedQuery,
        SignedAnswer,
        SignedNotice,
        SignedAcknowledgement,
        SignedStored,
        SignedDirectory,
        Problem
    );
    found.into_iter().for_each(&mut add);
    schemas.sort_by(|a, b| a.0.cmp(&b.0));
    let mut components = Components::new();
    components.schemas.extend(schemas);
    components.add_security_scheme(
        "mutualTls",
        SecurityScheme::MutualTls {
            description: Some(
                "TLS with a client certificate. Its public key (SHA-256 of the SPKI) is pinned in the directory, \
                 and tells which authority calls."
                    .to_owned(),
            ),
            deprecated: None,
            extensions: None,
        },
    );
    components
}

/// Names the variants of the one tagged union, `Outcome`, and says what tells them apart.
///
/// Without it the variants are anonymous objects, which client generators name by number or drop.
fn hoist_variants(document: &mut OpenApi) {
    let Some(components) = document.components.as_mut() else { return };
    let Some(RefOr::T(Schema::OneOf(union))) = components.schemas.get_mut("Outcome") else { return };
    let mut named = Vec::new();
    let mut discriminator = utoipa::openapi::Discriminator::new("kind");
    for item in &mut union.items {
        let RefOr::T(Schema::Object(variant)) = item else { continue };
        let Some(RefOr::T(Schema::Object(kind))) = variant.properties.get("kind") else { continue };
        let Some(code) =
            kind.enum_values.as_ref().and_then(|codes| codes.first()).and_then(|code| code.as_str())
        else {
            continue;
        };
        let name = format!("Outcome{}", pascal_case(code));
        discriminator.mapping.insert(code.to_owned(), format!("#/components/schemas/{name}"));
        let reference = RefOr::Ref(Ref::from_schema_name(&name));
        named.push((name, std::mem::replace(item, reference)));
    }
    union.discriminator = Some(discriminator);
    components.schemas.extend(named);
}

/// Members whose null says something else than their absence.
const NULL_MEANS_SOMETHING: [(&str, &str); 1] = [("Problem", "head")];

/// Optional members are left out, never null: the schemas of optional values allow both.
fn leave_out_rather_than_null(document: &mut OpenApi) {
    let Some(components) = document.components.as_mut() else { return };
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        for (member, schema) in &mut object.properties {
            let speaks = NULL_MEANS_SOMETHING.contains(&(name.as_str(), member.as_str()));
            if !speaks && !object.required.contains(member) {
                without_null(schema);
            }
        }
    }
}

fn without_null(schema: &mut RefOr<Schema>) {
    use utoipa::openapi::schema::SchemaType;
    let is_null = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
    let narrow = |schema_type: &mut SchemaType| {
        if let SchemaType::Array(types) = schema_type {
            types.retain(|kind| *kind != Type::Null);
            if let [only] = types.as_slice() {
                *schema_type = SchemaType::Type(only.clone());
            }
        }
    };
    match schema {
        RefOr::T(Schema::Object(object)) => narrow(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => narrow(&mut array.schema_type),
        RefOr::T(Schema::OneOf(either)) => {
            either.items.retain(|item| !is_null(item));
            if let [_] = either.items.as_slice() {
                *schema = either.items.remove(0);
            }
        }
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

fn pascal_case(code: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    code.split('-').map(capital).collect()
}
