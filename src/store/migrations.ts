/**
 * The schema, as steps that are applied once and in order. A step that has been released is never edited: a new one follows.
 *
 * `position` gives creation order and is never used twice. JSON columns are checked against their schemas when read.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE artifacts (
    sha256 TEXT PRIMARY KEY,
    sizeBytes INTEGER NOT NULL,
    -- Milliseconds since 1970: when it was last put; one that no record refers to is kept for a grace period after this.
    usedAt INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE models (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    createdAt TEXT NOT NULL,
    -- A number of a deleted version is not given again.
    nextVersion INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE versions (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL REFERENCES models(name),
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES artifacts(sha256),
    sizeBytes INTEGER NOT NULL,
    createdAt TEXT NOT NULL,
    summary TEXT NOT NULL,
    preprocessing TEXT NOT NULL,
    labels TEXT,
    jobId TEXT,
    reportSha256 TEXT REFERENCES artifacts(sha256),
    golden TEXT,
    verdict TEXT,
    UNIQUE (model, version)
  ) STRICT;
  CREATE INDEX versionsBySha256 ON versions(sha256);
  CREATE INDEX versionsByReport ON versions(reportSha256);

  CREATE TABLE aliases (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES versions(model, version)
  ) STRICT;

  CREATE TABLE datasets (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT,
    sha256 TEXT NOT NULL REFERENCES artifacts(sha256),
    sizeBytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    kind TEXT NOT NULL,
    sampleCount INTEGER NOT NULL,
    labelled INTEGER NOT NULL,
    classNames TEXT,
    createdAt TEXT NOT NULL
  ) STRICT;
  CREATE INDEX datasetsBySha256 ON datasets(sha256);

  CREATE TABLE jobs (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    calibration TEXT,
    evaluation TEXT,
    state TEXT NOT NULL,
    progress TEXT,
    attempts INTEGER NOT NULL,
    createdAt TEXT NOT NULL,
    startedAt TEXT,
    endedAt TEXT,
    resultVersion INTEGER,
    problem TEXT,
    -- Grows by one with each change that a follower sees.
    sequence INTEGER NOT NULL,
    -- Grows by one with each claim: a worker that holds an older one has lost the job.
    fence INTEGER NOT NULL,
    worker TEXT,
    -- Milliseconds since 1970.
    leaseUntil INTEGER
  ) STRICT;
  CREATE INDEX jobsByState ON jobs(state, position);

  CREATE TABLE idempotencyKeys (
    key TEXT PRIMARY KEY,
    requestHash TEXT NOT NULL,
    jobId TEXT NOT NULL REFERENCES jobs(id),
    -- Milliseconds since 1970.
    createdAt INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE jobs ADD COLUMN kind TEXT NOT NULL DEFAULT 'quantize';
  ALTER TABLE jobs ADD COLUMN gridSha256 TEXT REFERENCES artifacts(sha256);
  CREATE INDEX jobsByGrid ON jobs(gridSha256);
  `,
];
