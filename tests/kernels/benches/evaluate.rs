//! The kernel: ten simple checks on a resource of two kilobytes, conversion and findings included.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evidenced_check::{Judge, Library, Settings};
use evidenced_model::{Coverage, Resource, Scope};
use serde_json::json;

const CHECKS: &[&str] = &[
    "pass: resource.rotates",
    "applies: resource.manager == 'CUSTOMER', pass: resource.rotates",
    "applies: resource.manager == 'CUSTOMER' && resource.state == 'Enabled', pass: resource.days <= 365",
    "pass: resource.state != 'PendingDeletion'",
    "pass: \"resource.spec in ['SYMMETRIC_DEFAULT', 'RSA_4096']\"",
    "pass: resource.made < now - days(1)",
    "pass: '!resource.open'",
    "pass: size(resource.aliases) > 0",
    "pass: \"resource.aliases.exists(a, a.startsWith('alias/'))\"",
    "pass: resource.days < params.limit || resource.rotates",
];

fn library() -> Library {
    let mut kind = "
kind: aws.bench.key
title: A key
span: regional
lists: [bench:List]
fields:
  manager: { type: string, about: x, call: bench:Get }
  state: { type: string, about: x, call: bench:Get }
  spec: { type: string, about: x, call: bench:Get }
  made: { type: timestamp, about: x, call: bench:Get }
  rotates: { type: bool, about: x, call: bench:Get }
  open: { type: bool, about: x, call: bench:Get }
  days: { type: int, about: x, call: bench:Get }
  aliases: { type: list, about: x, call: bench:Get }
  rest: { type: map, about: x, call: bench:Get }
sample: { manager: x, state: x, spec: x, made: 2025-01-01T00:00:00Z, rotates: true, open: true, days: 1, aliases: [], rest: {} }
checks:
"
    .to_owned();
    for (index, check) in CHECKS.iter().enumerate() {
        let head = "revision: 1, objective: bench.fast, title: t, severity: low, why: w, fix: f";
        kind.extend(["  - { id: aws.bench.c", &index.to_string(), ", ", head, ", ", check, " }\n"]);
    }
    let params = ("params.yaml".to_owned(), "limit: { type: int, default: 400, about: x }".to_owned());
    Library::load([("aws.bench.key.yaml".to_owned(), kind)], params).expect("the bench's kind loads")
}

fn resource() -> Resource {
    let scope: Scope =
        serde_json::from_value(json!({ "provider": "aws", "account": "123456789012", "region": "eu-west-1" }))
            .expect("a scope");
    let id = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let mut resource = Resource::new("aws.bench.key".parse().expect("a kind"), id, scope);
    resource.read("manager", "CUSTOMER").read("state", "Enabled").read("spec", "SYMMETRIC_DEFAULT");
    resource.read("made", "2025-06-01T00:00:00Z").read("rotates", true).read("open", false).read("days", 365);
    resource.read("aliases", json!(["alias/one", "alias/two"]));
    let tags: serde_json::Map<_, _> = (0..40).map(|tag| (format!("tag-{tag:02}"), json!("x".repeat(30)))).collect();
    resource.read("rest", tags);
    resource
}

fn evaluate(criterion: &mut Criterion) {
    let library = Arc::new(library());
    let now = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
    let judge = Judge::compile(&library, Settings::at(now)).expect("the settings fit");
    let joins = judge.join_index().seal(&Coverage::default());
    let resource = resource();
    let mut group = criterion.benchmark_group("judge");
    // Elements are evaluations of checks.
    group.throughput(Throughput::Elements(CHECKS.len() as u64));
    group.bench_function("ten checks on 2 KB", |bencher| {
        let mut populations = judge.populations();
        bencher.iter(|| {
            judge.judge(black_box(&resource), &joins, &mut populations, &mut |finding| {
                black_box(finding);
            });
        });
    });
    let mut line = Vec::new();
    group.bench_function("ten checks on 2 KB, lines written", |bencher| {
        let mut populations = judge.populations();
        bencher.iter(|| {
            line.clear();
            judge.judge(black_box(&resource), &joins, &mut populations, &mut |finding| finding.write_line(&mut line));
            black_box(line.len());
        });
    });
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
