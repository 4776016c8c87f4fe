import { invariant } from '../base/index.ts';
import type { Tensor } from '../tensor/index.ts';

/** How far one tensor is from another, over everything that was added. */
export interface ErrorFigures {
  /** 10 · log10(Σ x² / Σ (x − y)²); null where they are equal, or where x is zero everywhere. */
  readonly sqnrDb: number | null;
  /** Σ x·y / sqrt(Σ x² · Σ y²); null where one of them is zero everywhere. */
  readonly cosine: number | null;
  readonly maxError: number;
}

/** Sums that SQNR, cosine and maximum error come from, in float64 and fixed memory. */
export class ErrorTally {
  #signal = 0;
  #other = 0;
  #dot = 0;
  #noise = 0;
  #maxError = 0;
  #notFinite = 0;

  /** Elements where either is not finite; they count in no sum. */
  get notFinite(): number {
    return this.#notFinite;
  }

  add(x: Tensor['data'], y: Tensor['data']): void {
    this.addFloats(asFloats(x), asFloats(y));
  }

  addFloats(x: Float32Array, y: Float32Array): void {
    invariant(x.length === y.length, `comparing ${x.length} values with ${y.length}`);
    let [signal, other, dot, noise] = [0, 0, 0, 0];
    for (let i = 0; i < x.length; i++) {
      const a = x[i] ?? 0;
      const b = y[i] ?? 0;
      const difference = a - b;
      if (!Number.isFinite(difference)) {
        this.#notFinite++;
        continue;
      }
      signal += a * a;
      other += b * b;
      dot += a * b;
      noise += difference * difference;
      if (Math.abs(difference) > this.#maxError) this.#maxError = Math.abs(difference);
    }
    this.#signal += signal;
    this.#other += other;
    this.#dot += dot;
    this.#noise += noise;
  }

  figures(): ErrorFigures {
    const norm = Math.sqrt(this.#signal) * Math.sqrt(this.#other);
    return {
      sqnrDb: this.#noise === 0 || this.#signal === 0 ? null : 10 * Math.log10(this.#signal / this.#noise),
      cosine: norm === 0 ? null : Math.min(1, this.#dot / norm),
      maxError: this.#maxError,
    };
  }
}

function asFloats(data: Tensor['data']): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from<number | bigint>(data, Number);
}
