//! What goes into a pack: the files of its runs, each as it is or with something in its place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Cursor, Read, Write};

use evidenced_model::{AccountCoverage, AgentId, Archive, ArchiveError, Digest};
use evidenced_seal::object::{Format, ObjectReader, object_path};
use evidenced_seal::read::RunReader;
use evidenced_seal::statement::subject;
use evidenced_seal::tree::{Entry, Tree};
use evidenced_seal::withheld::{DECLARATION, Declaration, FORMAT, Head, Reason, Whole, lines_path, whole_path};
use evidenced_seal::{PublicKeys, SealError};
use jiff::Timestamp;
use serde_json::Value;

use crate::attached;
use crate::mask::MaskKey;
use crate::redact::{Decision, Redactor, scope};
use crate::rule::Rules;
use crate::walk::{Run, walk, within, wrong};
use crate::{PackError, names, zip};

/// No stored file is larger: see [`evidenced_seal::object::MAX_STORED`].
const LARGEST: u64 = evidenced_seal::object::MAX_STORED;
/// The level of what is compressed anew.
const LEVEL: i32 = 3;

/// What a pack is to hold.
pub struct Request<'a> {
    /// The store.
    pub archive: &'a dyn Archive,
    /// The agents whose evidence it is.
    pub agents: Vec<AgentId>,
    /// The pinned keys.
    pub keys: &'a PublicKeys,
    /// Only runs that began at this moment or later.
    pub from: Option<Timestamp>,
    /// Only runs that began before this moment.
    pub until: Option<Timestamp>,
    /// What is withheld.
    pub rules: Rules,
    /// Whether masked renderings of withheld lines are added.
    pub mask: Option<MaskKey>,
}

/// A pack that is decided and not yet written. Memory holds the names of its files.
pub struct Plan<'a> {
    archive: &'a dyn Archive,
    declaration: Declaration,
    files: BTreeMap<String, Source>,
    mask: Option<MaskKey>,
    redactor: Redactor,
    runs: Vec<Run>,
}

/// Where the bytes of a file come from.
enum Source {
    /// The store has the file.
    Same,
    /// Made already.
    Bytes(Vec<u8>),
    /// The lines of this chunk, with leaf hashes where lines are withheld.
    Lines(Entry),
    /// The withheld lines of this chunk, masked; all of them, or those that the rules say.
    Masked(Entry, bool),
}

/// What becomes of something below a tree: withheld as a whole, or shown as these files.
struct Below {
    withheld: Option<Reason>,
    files: Vec<(String, Source)>,
}

impl<'a> Plan<'a> {
    /// Reads the logs and the trees of the runs, and of chunks what the rules have to look at.
    pub fn new(request: Request<'a>) -> Result<Self, PackError> {
        let Request { archive, agents, keys, from, until, rules, mask } = request;
        let mut files = BTreeMap::new();
        let mut runs = Vec::new();
        let mut attached = Vec::new();
        let mut heads = Vec::new();
        for agent in agents {
            let walked = walk(archive, &agent, keys)?;
            files.extend(walked.files.into_iter().map(|path| (path, Source::Same)));
            for object in walked.objects {
                if archive.open(&object)?.is_some() {
                    files.insert(object, Source::Same);
                }
            }
            attached.extend(walked.attached);
            heads.extend(walked.head.map(|head| Head { agent, head }));
            runs.extend(walked.runs.into_iter().filter(|run| within(run, from, until)));
        }
        if runs.is_empty() {
            let hint = "choose another --from and --to, or see `evidenced report` for what is there".to_owned();
            return Err(PackError::Empty { location: archive.location(), hint });
        }
        for (object, reason) in attached::decide(archive, &attached, &rules)? {
            let shown = reason.is_none() && archive.open(&attached::path_of(&object))?.is_some();
            if shown || reason.is_some() {
                files.extend([file(&object.0, object.1, reason)]);
            }
        }
        let keys_in = keys.iter().map(evidenced_seal::PublicKey::id).collect();
        let declaration = Declaration { format: FORMAT.to_owned(), from, heads, keys: keys_in, until, withheld: false };
        let mut plan = Self { archive, declaration, files, mask, redactor: Redactor::new(rules), runs };
        plan.decide(keys)?;
        let prefix = "v1/withheld/".to_owned();
        let first = plan.files.range(prefix.clone()..).next();
        plan.declaration.withheld = first.is_some_and(|(path, _)| path.starts_with(&prefix));
        let mut declared = evidenced_model::canon::to_vec(&plan.declaration);
        declared.push(b'\n');
        plan.add(DECLARATION, declared);
        for key in keys.iter() {
            plan.add(format!("keys/{}.pem", key.id()), key.to_pem().into_bytes());
        }
        Ok(plan)
    }

    /// The runs in it, agent by agent, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// What it says of itself.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Adds a file beside the evidence.
    pub fn add(&mut self, path: impl Into<String>, bytes: Vec<u8>) {
        self.files.insert(path.into(), Source::Bytes(bytes));
    }

    /// The pack as it will be.
    pub fn archive(&self) -> &dyn Archive {
        self
    }

    /// Writes the pack as a zip file, with `SHA256SUMS` over everything else in it.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), PackError> {
        let mut writer = zip::Writer::new(out);
        let mut sums = String::new();
        for path in self.files.keys() {
            let bytes = self.read(path, LARGEST)?.ok_or_else(|| wrong(path, "it went away while it was packed"))?;
            let digest = Digest::of(&bytes).to_string();
            let name = path.strip_prefix("v1/objects/").and_then(|name| name.get(3..67));
            if name.is_some_and(|name| name != digest) {
                return Err(wrong(path, "its SHA-256 is not its name: it was edited, truncated or swapped"));
            }
            sums.extend([digest.as_str(), "  ", path, "\n"]);
            writer.file(path, &bytes)?;
        }
        writer.file("SHA256SUMS", sums.as_bytes())?;
        writer.finish()
    }

    fn decide(&mut self, keys: &PublicKeys) -> Result<(), PackError> {
        let archive = self.archive;
        let runs = self.runs.clone();
        if self.redactor.rules.ask_for_tags() {
            self.observe_tags(&runs, keys)?;
        }
        let mut decided = Decided::default();
        for run in runs {
            let folder = run.run.path.strip_suffix("run.dsse.json").unwrap_or(&run.run.path);
            for name in archive.list(folder)?.into_iter().filter(|name| !name.ends_with('/')) {
                self.files.insert(format!("{folder}{name}"), Source::Same);
            }
            let reader = RunReader::open(archive, &run.run, Some(keys))?;
            for name in [subject::CALLS, subject::CONFIG, subject::CONTROLS, subject::MANIFEST, subject::MAPPINGS] {
                let reason = self.redactor.rules.document(name);
                self.object(&reader.subject(name)?, reason);
            }
            for name in [subject::COVERAGE, subject::FINDINGS, subject::INVENTORY] {
                let root = reader.subject(name)?;
                if decided.trees.insert(root, None).is_some() {
                    continue;
                }
                self.object(&root, None);
                for entry in self.tree(&root, &run.run.path)?.entries {
                    if decided.trees.contains_key(&entry.digest) {
                        continue;
                    }
                    let below = if name == subject::COVERAGE {
                        Below { withheld: self.coverage(&entry)?, files: Vec::new() }
                    } else {
                        self.account(&entry, name == subject::INVENTORY, &mut decided)?
                    };
                    decided.trees.insert(entry.digest, below.withheld);
                    self.object(&entry.digest, below.withheld);
                    self.files.extend(below.files);
                }
            }
        }
        Ok(())
    }

    /// Takes note of every resource that has one of the tags in any of the runs.
    fn observe_tags(&mut self, runs: &[Run], keys: &PublicKeys) -> Result<(), PackError> {
        let mut seen = HashSet::new();
        for run in runs {
            let reader = RunReader::open(self.archive, &run.run, Some(keys))?;
            let mut below = vec![(0, reader.subject(subject::INVENTORY)?)];
            while let Some((depth, digest)) = below.pop() {
                if !seen.insert(digest) {
                    continue;
                }
                let tree = self.tree(&digest, &run.run.path)?;
                if depth < 2 {
                    below.extend(tree.entries.iter().map(|entry| (depth + 1, entry.digest)));
                    continue;
                }
                for chunk in tree.entries {
                    if seen.insert(chunk.digest) {
                        let lines = self.lines(&chunk)?;
                        self.redactor.observe(&lines, &object_path(&chunk.digest, Format::Lines))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn tree(&self, digest: &Digest, referrer: &str) -> Result<Tree, PackError> {
        Ok(Tree::read(ObjectReader::new(self.archive), digest, referrer)?)
    }

    fn lines(&self, chunk: &Entry) -> Result<Vec<u8>, SealError> {
        ObjectReader::new(self.archive).content(&chunk.digest, Format::Lines, chunk.bytes, &chunk.name)
    }

    /// Puts in a JSON object, or what says that it is withheld.
    fn object(&mut self, digest: &Digest, withheld: Option<Reason>) {
        let (path, source) = file(digest, Format::Json, withheld);
        self.files.insert(path, source);
    }

    /// Why the coverage of an account is withheld.
    fn coverage(&self, entry: &Entry) -> Result<Option<Reason>, PackError> {
        let rules = &self.redactor.rules;
        let account = entry.name.split_once(':').map_or("", |(_, account)| account);
        if let Some(reason) = rules.document(subject::COVERAGE).or_else(|| rules.account(account)) {
            return Ok(Some(reason));
        }
        if !rules.ask_for_findings() {
            return Ok(None);
        }
        let coverage: AccountCoverage = ObjectReader::new(self.archive).document(&entry.digest, "the coverage tree")?;
        for cell in &coverage.cells {
            let Some(scope) = scope(&entry.name, cell.region.as_str()) else { continue };
            let mut named = cell.gaps.iter().flat_map(|gap| &gap.resources);
            if named.any(|id| self.redactor.resource(&scope, cell.kind.as_str(), id)) {
                return Ok(Some(Reason::Names));
            }
        }
        Ok(None)
    }

    /// What becomes of an account in one of the trees.
    fn account(&self, account: &Entry, inventory: bool, decided: &mut Decided) -> Result<Below, PackError> {
        let number = account.name.split_once(':').map_or("", |(_, account)| account);
        let asked = self.redactor.rules.account(number);
        if asked.is_some() && self.mask.is_none() {
            return Ok(Below { withheld: asked, files: Vec::new() });
        }
        let mut files = Vec::new();
        let mut masked = Vec::new();
        let (mut shown, mut reason) = (false, asked);
        for group in self.tree(&account.digest, &account.name)?.entries {
            // A group that a run before this one has too is in the pack already, or withheld.
            if let Some(before) = decided.trees.get(&group.digest) {
                shown |= before.is_none();
                reason = reason.or(*before);
                files.push(file(&group.digest, Format::Json, *before));
                continue;
            }
            let below = self.group(&account.name, &group, inventory, decided)?;
            decided.trees.insert(group.digest, below.withheld);
            shown |= below.withheld.is_none();
            reason = reason.or(below.withheld);
            files.push(file(&group.digest, Format::Json, below.withheld));
            match below.withheld {
                None => files.extend(below.files),
                Some(_) => masked.extend(below.files),
            }
        }
        let withheld = reason.filter(|_| !shown || asked.is_some());
        if withheld.is_some() {
            files.clear();
        }
        files.extend(masked);
        Ok(Below { withheld, files })
    }

    /// What becomes of the chunks of a kind in a place; of what is withheld as a whole, only masked renderings.
    fn group(&self, account: &str, group: &Entry, inventory: bool, decided: &mut Decided) -> Result<Below, PackError> {
        let rules = &self.redactor.rules;
        let (region, kind) = group.name.split_once('/').unwrap_or_default();
        let scope = scope(account, region);
        let place = scope.as_ref().and_then(|scope| rules.place(scope, kind));
        let beside = rules.is_beside(kind) && !kind.starts_with("place.");
        let asked = place.or(beside.then_some(Reason::Control));
        if asked.is_some() && self.mask.is_none() {
            return Ok(Below { withheld: asked, files: Vec::new() });
        }
        let look = if inventory { self.redactor.looks_at_resources() } else { rules.ask_for_findings() };
        let mut files = Vec::new();
        let mut masked = Vec::new();
        let (mut shown, mut reason) = (false, asked);
        for chunk in self.tree(&group.digest, account)?.entries {
            let path = object_path(&chunk.digest, Format::Lines);
            let decision = match (asked, decided.chunks.get(&chunk.digest)) {
                (Some(reason), _) => Decision::Whole(reason),
                (None, Some(before)) => *before,
                (None, None) if look => self.redactor.decide(&self.lines(&chunk)?, &path)?,
                (None, None) => Decision::Shown,
            };
            decided.chunks.insert(chunk.digest, decision);
            let mask = |all: bool| (masked_path(&chunk.digest), Source::Masked(chunk.clone(), all));
            if self.mask.is_some() && decision != Decision::Shown {
                masked.push(mask(decision != Decision::Partly));
            }
            shown |= !matches!(decision, Decision::Whole(_));
            files.push(match decision {
                Decision::Shown => (path, Source::Same),
                Decision::Partly => (lines_path(&chunk.digest), Source::Lines(chunk)),
                Decision::Whole(why) => {
                    reason = reason.or(Some(why));
                    file(&chunk.digest, Format::Lines, Some(why))
                }
            });
        }
        let withheld = reason.filter(|_| !shown);
        if withheld.is_some() {
            files.clear();
        }
        files.extend(masked);
        Ok(Below { withheld, files })
    }

    fn bytes(&self, path: &str, source: &Source) -> Result<Option<Box<dyn Read + Send>>, SealError> {
        let made = match source {
            Source::Same => return Ok(self.archive.open(path)?),
            Source::Bytes(bytes) => bytes.clone(),
            Source::Lines(chunk) => compress(&self.redactor.redact(&self.lines(chunk)?, path)?)?,
            Source::Masked(chunk, all) => {
                let Some(key) = &self.mask else { return Ok(None) };
                compress(&key.render(&self.redactor, &self.lines(chunk)?, *all, path)?)?
            }
        };
        Ok(Some(Box::new(Cursor::new(made))))
    }
}

/// What was decided already: most of a run is that of the run before.
#[derive(Default)]
struct Decided {
    chunks: HashMap<Digest, Decision>,
    /// Trees and coverages, and why those are withheld that are.
    trees: HashMap<Digest, Option<Reason>>,
}

impl Archive for Plan<'_> {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let Some(source) = self.files.get(path) else { return Ok(None) };
        self.bytes(path, source).map_err(|error| match error {
            SealError::Archive(error) => error,
            other => ArchiveError::Io { path: path.to_owned(), reason: other.to_string() },
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        Ok(names::list(&self.files, folder))
    }

    fn location(&self) -> String {
        self.archive.location()
    }
}

/// An object as it is, or what says that it is withheld.
fn file(digest: &Digest, format: Format, withheld: Option<Reason>) -> (String, Source) {
    match withheld {
        None => (object_path(digest, format), Source::Same),
        Some(reason) => {
            let whole: Value = serde_json::to_value(Whole { reason }).unwrap_or_default();
            (whole_path(digest), Source::Bytes(format!("{whole}\n").into_bytes()))
        }
    }
}

/// Where the masked rendering of withheld lines stands.
fn masked_path(digest: &Digest) -> String {
    format!("derived/masked/{digest}.jsonl.zst")
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>, SealError> {
    zstd::bulk::compress(bytes, LEVEL).map_err(|error| SealError::Compress(error.to_string()))
}
