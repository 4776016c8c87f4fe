import { imageSize, pixelsOf, type InputSpec, type Preprocessing } from '../../data/index.ts';
import { spread } from '../job.ts';
import type { Selection } from '../samples.ts';
import type { Finding } from './findings.ts';

/** Images that are looked at, evenly over the set. */
const LOOKED_AT = 48;
/** An image is small where the network's input is more than this times as wide and as high. */
const UPSCALED = 2;
/** Share of small images that deserves a word. */
const SMALL_SHARE = 0.25;

/** What decoding some images tells: those without content, and those that had to be blown up. */
export async function imageFindings(
  { dataset, indices }: Selection,
  input: InputSpec,
  preprocessing: Preprocessing,
): Promise<Finding[]> {
  const [height = 1, width = 1] = input.layout === 'NCHW' ? input.shape.slice(2) : input.shape.slice(1);
  const looked = spread(indices, LOOKED_AT);
  const blank: string[] = [];
  let small = 0;
  for (const index of looked) {
    const content = await dataset.read(index);
    const name = dataset.samples[index]?.name ?? '';
    if (content.kind !== 'image') continue;
    const size = await imageSize(content.bytes, { name });
    if (size.width * UPSCALED < width && size.height * UPSCALED < height) small++;
    const { data, channels } = await pixelsOf(content.bytes, input, preprocessing, { name });
    if (data.every((value, i) => value === data[i % channels])) blank.push(name);
  }
  const findings: Finding[] = [];
  if (blank.length > 0)
    findings.push({
      code: 'BLANK_IMAGES',
      text: `${blank.length} of ${looked.length} calibration images looked at are of one colour, '${blank[0] ?? ''}' for one.`,
    });
  if (small > looked.length * SMALL_SHARE)
    findings.push({
      code: 'SMALL_IMAGES',
      text:
        `${small} of ${looked.length} calibration images looked at are less than half as wide and high as the ` +
        `network's input of ${width} x ${height}: enlarged images are smoother than those it was trained on.`,
    });
  return findings;
}
