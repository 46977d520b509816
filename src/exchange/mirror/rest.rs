//! A REST request and its answer, as they pass between the simulated exchange's HTTP and an
//! exchange's mirror. Knows no exchange's shape.

use crate::base::Span;
use crate::exchange::Rate;
use crate::exchange::kit::text;
use std::borrow::Cow;

/// What a request wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Shows something.
    Get,
    /// Asks with a body, or changes something.
    Post,
    /// Puts something in a place.
    Put,
    /// Removes something.
    Delete,
    /// Anything else.
    Other,
}

impl Method {
    /// The method of this name, as HTTP writes it.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// A REST request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'c> {
    /// What it wants done.
    pub method: Method,
    /// Path and query as they were sent.
    pub target: &'c str,
    /// Empty if there is none.
    pub body: &'c str,
    /// Its headers.
    pub headers: &'c [(&'c str, &'c str)],
}

impl<'c> Call<'c> {
    /// A GET of this path and query.
    pub const fn get(target: &'c str) -> Self {
        Self {
            method: Method::Get,
            target,
            body: "",
            headers: &[],
        }
    }

    /// A POST of this body.
    pub const fn post(target: &'c str, body: &'c str) -> Self {
        Self {
            method: Method::Post,
            target,
            body,
            headers: &[],
        }
    }

    /// The value of this header, however its name is spelt.
    pub(crate) fn header(&self, name: &str) -> Option<&'c str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value)
    }

    /// The path, without the query.
    pub(crate) fn path(&self) -> &'c str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of `name` in the query, decoded; the first, if there are several.
    pub(crate) fn value(&self, name: &str) -> Option<Cow<'c, str>> {
        text::query_text(self.target, name)
    }

    /// All values of `name` in the query, decoded: it may be there again and again, and each time
    /// have several, with commas between.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        text::query_list(self.target, name)
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// JSON.
    Json,
    /// Words for a person.
    Text,
}

/// What the REST service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// What the body is.
    pub content: Content,
    /// The body.
    pub body: String,
    /// What it cost of `Limits::rest_weight`.
    pub(crate) weight: u32,
    /// The service's own limit, which this request counts in as well.
    pub(crate) quota: Option<Quota>,
    /// For the header `Retry-After`, if the exchange sends one.
    pub(crate) retry_after_s: Option<u64>,
    /// Further headers, by which an exchange tells what was spent.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// It is sent so much later than it should be: a fault.
    pub(crate) late: Span,
}

impl Reply {
    /// An answer in JSON that cost this much.
    pub(crate) fn json(status: u16, body: impl Into<String>, weight: u32) -> Self {
        Self {
            status,
            content: Content::Json,
            body: body.into(),
            weight,
            quota: None,
            retry_after_s: None,
            headers: Vec::new(),
            late: Span::ZERO,
        }
    }

    /// Words in plain text that cost this much.
    pub(crate) fn text(status: u16, body: impl Into<String>, weight: u32) -> Self {
        Self {
            content: Content::Text,
            ..Self::json(status, body, weight)
        }
    }

    /// The same, counted in this limit too.
    pub(crate) fn within(self, quota: Quota) -> Self {
        Self {
            quota: Some(quota),
            ..self
        }
    }

    /// The same, with a further header.
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The same, with the header `Retry-After`.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }
}

/// A limit that one service has beside that of all requests. Each request counts one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Whose it is: services of the same name share it.
    pub name: &'static str,
    /// What it takes from one address for long.
    pub rate: Rate,
    /// What it takes at once, after a quiet time; as many as the rate if that is more.
    pub burst: u32,
}

/// Why a request is refused without being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The address has asked for too much: the exchange takes requests from it again after so many
    /// seconds.
    TooMany {
        /// Rounded up.
        retry_after_s: u64,
    },
    /// The address went on in spite of that and is locked out, for so many seconds more.
    Banned {
        /// Rounded up.
        retry_after_s: u64,
    },
    /// Nothing is at this path.
    NoPath,
    /// Something is at this path, but not for this method.
    NoMethod,
}

/// When an exchange locks an address out that goes on asking for too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// Requests in a row that are refused before.
    pub warnings: u32,
    /// For how long.
    pub span: Span,
}
