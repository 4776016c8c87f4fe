/** Where a command writes: results to `out`, all else (progress, notes, errors) to `err`. */
export interface Terminal {
  /** A result, a line or more. */
  print(text: string): void;
  /** A line for people, never part of the result. */
  note(text: string): void;
  /** Draws one line in place; nothing where no terminal is watching. */
  progress(label: string, done: number, total: number): void;
  /** Wipes the progress line. */
  endProgress(): void;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawMs = 80;

/** One line: label, bar, share and count. */
export function progressLine(label: string, done: number, total: number, columns: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const tail = ` ${String(Math.round(share * 100)).padStart(3)} %  ${done}/${total}`;
  const head = label.padEnd(12);
  const width = Math.max(0, Math.min(40, columns - head.length - tail.length - 3));
  const filled = Math.round(share * width);
  return `${head} ${'━'.repeat(filled)}${'╌'.repeat(width - filled)}${tail}`.slice(0, Math.max(1, columns - 1));
}

export function createTerminal(out: Stream, err: Stream, now: () => number = () => performance.now()): Terminal {
  const watched = err.isTTY === true;
  let drawn = false;
  let last = -Infinity;
  let lastLabel = '';
  const wipe = (): void => {
    if (drawn) err.write('\r\x1b[K');
    drawn = false;
  };
  return {
    print(text) {
      wipe();
      out.write(`${text}\n`);
    },
    note(text) {
      wipe();
      err.write(`${text}\n`);
    },
    progress(label, done, total) {
      if (!watched) return;
      const due = now() - last >= redrawMs || label !== lastLabel || done === total;
      if (!due) return;
      last = now();
      lastLabel = label;
      err.write(`\r\x1b[K${progressLine(label, done, total, err.columns ?? 80)}`);
      drawn = true;
    },
    endProgress: wipe,
  };
}
