//! `#[transactional]`: an async function whose body is that of a scope. It is documented where it is
//! re-exported, in `settled-transaction`.
//!
//! It writes down `manager.scope().….run(body)` and nothing else: what that does is not decided here.

mod arguments;
mod expand;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// See `settled_transaction::transactional`.
#[proc_macro_attribute]
pub fn transactional(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = item.clone();
    match expand::expand(arguments.into(), item.into()) {
        Ok(expanded) => expanded.into(),
        Err(error) => {
            // With the function as it was, so that nobody is told that it is missing too.
            let mut told = TokenStream::from(error.into_compile_error());
            told.extend(function);
            told
        }
    }
}
