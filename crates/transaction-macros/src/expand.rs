//! The function with its body in a scope.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    Attribute, Error, Result, ReturnType, Signature, Token, Type, Visibility, braced, token,
};

use crate::arguments::{Arguments, Rule};

/// A function whose body is not looked into.
struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    brace: token::Brace,
    inner_attributes: Vec<Attribute>,
    body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let start = input.span();
        let visibility = input.parse()?;
        let signature: Signature = input
            .parse()
            .map_err(|_| Error::new(start, "`#[transactional]` stands on async functions only"))?;
        if input.peek(Token![;]) {
            return Err(Error::new(
                signature.ident.span(),
                "there is no body here to run in a transaction: put `#[transactional]` on the \
                 implementation",
            ));
        }
        let content;
        let brace = braced!(content in input);
        Ok(Self {
            attributes,
            visibility,
            signature,
            brace,
            inner_attributes: content.call(Attribute::parse_inner)?,
            body: content.parse()?,
        })
    }
}

/// The function with its body in a scope.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: Function = syn::parse2(item)?;
    let signature = &function.signature;
    let arguments = Arguments::parse.parse2(arguments)?;
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span,
            "`#[transactional]` stands on async functions: write `async fn` (where the macro \
             `async_trait` has turned it into another, enter the scope by hand)",
        ));
    }
    let ReturnType::Type(_, returned) = &signature.output else {
        return Err(Error::new(
            signature.ident.span(),
            "`#[transactional]` needs to be told what the function returns: write \
             `-> Result<(), E>`, where `E: From<settled_transaction::Error>`",
        ));
    };
    Ok(function.within_a_scope(&arguments, returned))
}

impl Function {
    fn within_a_scope(&self, arguments: &Arguments, returned: &Type) -> TokenStream {
        let Self {
            attributes,
            visibility,
            signature,
            inner_attributes,
            ..
        } = self;
        let asked = asked(arguments, signature, returned);
        let manager = &arguments.manager;
        // Of this macro, so that it is not what the body may call by that name.
        let scope = Ident::new("scope", Span::mixed_site());
        let entered = quote_spanned! {syn::spanned::Spanned::span(manager)=> (#manager).scope() };
        let handle = arguments
            .tx
            .as_ref()
            .map_or(quote!(_), ToTokens::to_token_stream);
        let mut body = Group::new(Delimiter::Brace, self.body.clone());
        body.set_span(self.brace.span.join());
        // Left out where it cannot be written down once more.
        let returned = (!says_impl(returned.to_token_stream())).then(|| quote!(-> #returned));
        let closure = quote!(async move |#handle| #returned #body);
        // `run` asks where it is called, which is to be the function's line.
        let place = signature.ident.span();
        let mut given = Group::new(Delimiter::Parenthesis, closure);
        given.set_span(place);
        let run = Ident::new("run", place);
        quote! {
            #(#attributes)*
            #visibility #signature {
                #(#inner_attributes)*
                let #scope = #entered #asked;
                #scope.#run #given.await
            }
        }
    }
}

/// The calls on the scope that say what is asked for.
fn asked(arguments: &Arguments, signature: &Signature, returned: &Type) -> TokenStream {
    let mut asked = TokenStream::new();
    let name = match &arguments.name {
        Some(name) => name.value(),
        None => syn::ext::IdentExt::unraw(&signature.ident).to_string(),
    };
    asked.extend(quote!(.name(#name)));
    if let Some(variant) = &arguments.propagation {
        asked.extend(quote!(.propagation(::settled_transaction::Propagation::#variant)));
    }
    if let Some(variant) = &arguments.isolation {
        asked.extend(quote!(.isolation(::settled_transaction::Isolation::#variant)));
    }
    if arguments.read_only {
        asked.extend(quote!(.read_only()));
    }
    if arguments.deferred {
        asked.extend(quote!(.deferred()));
    }
    if let Some(millis) = arguments.timeout_millis {
        asked.extend(quote!(.timeout(::core::time::Duration::from_millis(#millis))));
    }
    let writable = !says_impl(returned.to_token_stream());
    for (rule, holds) in &arguments.rules {
        let (method, part) = match rule {
            Rule::CommitOn => ("commit_on", "Error"),
            Rule::RollBackOn => ("roll_back_on", "Error"),
            Rule::RollBackOnValue => ("roll_back_on_value", "Value"),
        };
        let method = Ident::new(method, Span::mixed_site());
        let part = Ident::new(part, Span::mixed_site());
        // With the type, so that a closure can call its methods without naming it.
        let of =
            writable.then(|| quote!(::<<#returned as ::settled_transaction::Returned>::#part, _>));
        asked.extend(quote!(.#method #of (#holds)));
    }
    asked
}

/// Whether a type says `impl` somewhere, and so is not one that can be named.
fn says_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "impl",
        TokenTree::Group(group) => says_impl(group.stream()),
        _ => false,
    })
}
