//! The imports between source files. An import is traced to the file that defines the imported item. Knows modules and paths
//! in sources; must not know the purpose of a module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::paths::paths;

/// A module's path below `src`, one segment for each directory or file.
pub(crate) type Module = Vec<String>;

struct Source {
    /// The paths in its code, without its tests.
    paths: Vec<String>,
    /// The paths of its `use` declarations, by which other modules may refer to the imported items.
    used: Vec<String>,
}

/// The modules of a tree, and the imports between them, without tests.
pub(crate) struct Modules(BTreeMap<Module, Source>);

impl Modules {
    pub(crate) fn read(source: &Path) -> Self {
        let mut modules = Self(BTreeMap::new());
        modules.read_directory(source, &[]);
        modules
    }

    fn read_directory(&mut self, directory: &Path, module: &[String]) {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let inner = match name.as_str() {
                "tests" | "fixture" => continue,
                "mod" | "lib" | "main" => module.to_vec(),
                _ => [module, &[name]].concat(),
            };
            if path.is_dir() {
                self.read_directory(&path, &inner);
            } else {
                self.add(inner, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn add(&mut self, module: Module, text: &str) {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let statements = code.split(';').filter_map(|statement| {
            let (before, tree) = statement.rsplit_once("use ")?;
            let visibility = before.rsplit('\n').next().unwrap_or_default().trim();
            (visibility.is_empty() || visibility.starts_with("pub")).then_some(tree)
        });
        let used = statements.flat_map(paths).collect();
        self.0.insert(module, Source { paths: paths(code), used });
    }

    /// The imports, as pairs of importing and imported module. The use of an enclosing module is no import here.
    pub(crate) fn imports(&self) -> BTreeSet<(Module, Module)> {
        let mut imports = BTreeSet::new();
        for (module, source) in &self.0 {
            let named = source.paths.iter().filter_map(|path| self.absolute(module, path));
            let defining = named.filter_map(|path| self.defining(&path, 0));
            let others = defining.filter(|imported| !module.starts_with(imported));
            imports.extend(others.map(|imported| (module.clone(), imported)));
        }
        imports
    }

    /// The path from the root; None for a path that begins neither with `crate` or `super` nor with a module inside
    /// `module`.
    fn absolute(&self, module: &[String], path: &str) -> Option<Module> {
        let path = path.trim_start_matches("self::").trim_end_matches("::self");
        let segments: Module = path.split("::").map(str::to_owned).collect();
        let up = segments.iter().take_while(|segment| *segment == "super").count();
        let child = [module, &segments[..1]].concat();
        match segments[0].as_str() {
            "crate" => Some(segments[1..].to_vec()),
            "super" => Some([&module[..module.len().checked_sub(up)?], &segments[up..]].concat()),
            _ if segments.len() > 1 && self.0.contains_key(&child) => Some([module, &segments].concat()),
            _ => None,
        }
    }

    /// The module that defines what the path names.
    fn defining(&self, path: &[String], depth: usize) -> Option<Module> {
        let known = (1..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(known);
        let used = self.0[module].used.iter();
        let mut followed = used.filter_map(|used| {
            let is_it = rest
                .first()
                .is_some_and(|item| used.trim_end_matches("::self").rsplit("::").next() == Some(item));
            self.absolute(module, used).filter(|target| is_it && depth < 8 && *target != path)
        });
        match followed.next() {
            Some(target) => {
                self.defining(&[target.as_slice(), rest.get(1..).unwrap_or_default()].concat(), depth + 1)
            }
            None => Some(module.to_vec()),
        }
    }
}
