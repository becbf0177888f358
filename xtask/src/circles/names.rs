//! What one module declares, brings in and names, read from its syntax; what tests alone see is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// The segments of a path, `crate`, `self` and `super` included.
pub(super) type Segments = Vec<String>;

/// One module's names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What is written here.
    pub(super) items: BTreeSet<String>,
    /// What `use` brings in, by the name that it has here.
    pub(super) imports: BTreeMap<String, Import>,
    /// Modules of which everything is brought in.
    pub(super) globs: Vec<Segments>,
    /// Every path in the code.
    pub(super) paths: BTreeSet<Segments>,
}

/// One name that a `use` brings in.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: Segments,
    /// It is handed on, so others may mean it and not this module.
    pub(super) passed_on: bool,
}

impl Names {
    /// Reads a module's items, but not the modules inside.
    pub(super) fn read(items: &[Item]) -> Self {
        let mut names = Self::default();
        for item in items.iter().filter(|item| !matches!(item, Item::Mod(_))) {
            names.items.extend(declared(item));
            names.visit_item(item);
        }
        names
    }

    fn bring(&mut self, tree: &UseTree, before: &Segments, passed_on: bool) {
        let with = |ident: &syn::Ident| [before.as_slice(), &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.bring(&path.tree, &with(&path.ident), passed_on),
            UseTree::Name(name) if name.ident == "self" => {
                let here = before.last().cloned().unwrap_or_default();
                self.imports.insert(here, Import { path: before.clone(), passed_on });
            }
            UseTree::Name(name) => {
                let import = Import { path: with(&name.ident), passed_on };
                self.imports.insert(name.ident.to_string(), import);
            }
            UseTree::Rename(renamed) => {
                let import = Import { path: with(&renamed.ident), passed_on };
                // Several may be called `_`.
                let here = format!("{} as {}", renamed.ident, renamed.rename);
                let here = if renamed.rename == "_" { here } else { renamed.rename.to_string() };
                self.imports.insert(here, import);
            }
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.bring(tree, before, passed_on));
            }
        }
    }

    /// The arguments of macros are no syntax yet; `a::b` in them is a path all the same.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.end_path(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.read_tokens(group.stream());
                    }
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Segments) {
        if !path.is_empty() {
            self.paths.insert(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let passed_on = !matches!(item.vis, Visibility::Inherited);
        self.bring(&item.tree, &Segments::new(), passed_on);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.read_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

/// The name that an item gives to something.
fn declared(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Does it stand under `#[cfg(test)]`?
pub(super) fn for_tests(attributes: &[Attribute]) -> bool {
    let only_tests = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        _ => false,
    };
    attributes.iter().any(only_tests)
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
