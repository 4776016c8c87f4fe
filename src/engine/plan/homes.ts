import type { Layout } from './layout.ts';

/** Where a value lies within another one: the same pixels, their channels from `channel` on. */
export interface Home {
  readonly host: string;
  readonly channel: number;
}

export type Homes = ReadonlyMap<string, Home>;

/** The value that lies within no other, and the first channel there. */
export function outermost(homes: Homes, name: string): Home {
  let [host, channel] = [name, 0];
  for (let home = homes.get(host); home; home = homes.get(host)) [host, channel] = [home.host, channel + home.channel];
  return { host, channel };
}

/** Layouts as the homes make them. */
export function layoutsIn(homes: Homes, layouts: ReadonlyMap<string, Layout>): Map<string, Layout> {
  return new Map(
    [...layouts].map(([name, layout]) => {
      const { host } = outermost(homes, name);
      const around = layouts.get(host);
      if (host === name || layout.kind !== 'nhwc' || around?.kind !== 'nhwc') return [name, layout];
      const { pixelStride } = around;
      const byteLength = (layout.height * layout.width - 1) * pixelStride + layout.channelStride;
      return [name, { ...layout, pixelStride, byteLength }];
    }),
  );
}
