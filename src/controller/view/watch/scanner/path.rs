//! The position in a JSON text, as the names of the open members near the root, and the rules that depend on it: which
//! values are left out, and which are captured. Must not know how the text is read.

use super::Shape;

/// How many levels the path is tracked. The deepest path of interest is `items[].metadata.managedFields[].fieldsV1`.
const TRACKED: usize = 6;

/// The member names of interest. `Element` stands for an element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Element,
    Items,
    Object,
    Type,
    Metadata,
    ManagedFields,
    FieldsV1,
    Time,
    Annotations,
    LastApplied,
    Ours,
    Text(Field),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Namespace,
    Uid,
    ResourceVersion,
    Continue,
}

impl Name {
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"items" => Name::Items,
            b"object" => Name::Object,
            b"type" => Name::Type,
            b"metadata" => Name::Metadata,
            b"managedFields" => Name::ManagedFields,
            b"fieldsV1" => Name::FieldsV1,
            b"time" => Name::Time,
            b"annotations" => Name::Annotations,
            b"kubectl.kubernetes.io/last-applied-configuration" => Name::LastApplied,
            b"name" => Name::Text(Field::Name),
            b"namespace" => Name::Text(Field::Namespace),
            b"uid" => Name::Text(Field::Uid),
            b"resourceVersion" => Name::Text(Field::ResourceVersion),
            b"continue" => Name::Text(Field::Continue),
            name if name.starts_with(b"tokensource.dev/") => Name::Ours,
            _ => Name::Other,
        }
    }
}

/// One open object or array near the root.
pub(super) struct Frame {
    pub(super) is_object: bool,
    /// In an object: the next string is a name, not a value.
    pub(super) name_next: bool,
    pub(super) member: Name,
}

/// The field that a captured text belongs to.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    Event,
    Item(Field),
    List(Field),
}

/// The open objects and arrays.
pub(super) struct Path {
    frames: Vec<Frame>,
    /// How many objects and arrays are open.
    pub(super) depth: usize,
}

impl Path {
    pub(super) fn new() -> Self {
        Self { frames: Vec::with_capacity(TRACKED), depth: 0 }
    }

    /// The frame of the innermost open object or array, unless it is deeper than any path of interest.
    pub(super) fn current(&mut self) -> Option<&mut Frame> {
        if self.frames.len() == self.depth { self.frames.last_mut() } else { None }
    }

    /// Whether an object that begins here is one of the list or the watch.
    pub(super) fn is_at_item(&self, shape: Shape) -> bool {
        let member = |position: usize| self.frames.get(position).map(|frame| frame.member);
        match shape {
            Shape::Any => false,
            Shape::List => {
                self.depth == 2 && member(0) == Some(Name::Items) && member(1) == Some(Name::Element)
            }
            Shape::Watch => self.depth == 1 && member(0) == Some(Name::Object),
        }
    }

    /// Enters an object or an array.
    pub(super) fn open(&mut self, is_object: bool) {
        if self.depth < TRACKED && self.frames.len() == self.depth {
            let member = if is_object { Name::Other } else { Name::Element };
            self.frames.push(Frame { is_object, name_next: is_object, member });
        }
        self.depth = self.depth.saturating_add(1);
    }

    /// Leaves the innermost object or array.
    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.frames.truncate(self.depth);
    }

    fn members(&self) -> [Option<Name>; TRACKED] {
        let mut members = [None; TRACKED];
        for (place, frame) in members.iter_mut().zip(&self.frames) {
            *place = Some(frame.member);
        }
        members
    }

    /// The replacement of a value that is left out.
    pub(super) fn instead(&self, shape: Shape) -> Option<&'static [u8]> {
        use Name::{
            Annotations, Element, FieldsV1, Items, LastApplied, ManagedFields, Metadata, Object, Other, Time,
        };
        let path = self.members();
        let path: Vec<Name> = path.into_iter().flatten().collect();
        let path = path.as_slice();
        let item = path.strip_prefix(&[Items, Element]);
        let within = item.or_else(|| path.strip_prefix(&[Object])).unwrap_or(path);
        match within {
            [Metadata, ManagedFields, Element, FieldsV1 | Time] => Some(b"null"),
            // Annotations of others are kept only in answers with a single object.
            [Metadata, Annotations, name]
                if *name == LastApplied || shape != Shape::Any && matches!(name, Other | Name::Text(_)) =>
            {
                Some(b"\"\"")
            }
            _ => None,
        }
    }

    /// The field that a string which begins here belongs to, if it is captured.
    pub(super) fn slot(&self, shape: Shape) -> Option<Slot> {
        use Name::{Element, Items, Metadata, Object, Text, Type};
        match (shape, self.members()) {
            (Shape::Watch, [Some(Type), None, ..]) => Some(Slot::Event),
            (Shape::Watch, [Some(Object), Some(Metadata), Some(Text(field)), None, ..])
            | (Shape::List, [Some(Items), Some(Element), Some(Metadata), Some(Text(field)), None, ..]) => {
                Some(Slot::Item(field))
            }
            (Shape::List, [Some(Metadata), Some(Text(field)), None, ..]) => Some(Slot::List(field)),
            _ => None,
        }
    }
}
