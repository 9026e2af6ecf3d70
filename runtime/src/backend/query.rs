//! Parameters in the query string and members of a body: one that is not known is an error, since a misspelt
//! one would be ignored.

use super::Problem;

/// Where no query parameter is known.
///
/// # Errors
/// When there is one.
pub fn none(query: Option<String>) -> Result<(), Problem> {
    let query = query.unwrap_or_default();
    match form_urlencoded::parse(query.as_bytes()).next() {
        Some((name, _)) => Err(unknown(&name)),
        None => Ok(()),
    }
}

/// The answer to a parameter that is not known.
pub fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::parameter(&shown, "there is no such parameter here")
}
