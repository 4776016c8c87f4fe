/** Markup that is safe to put into a page as it is. Made only by `html`. */
export interface Markup {
  readonly markup: string;
}

type Content = Markup | string | number | undefined | readonly Content[];

/** A page's piece: everything put between the tags is escaped, unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let markup = compact(strings[0]);
  values.forEach((value, i) => {
    markup += render(value) + compact(strings[i + 1]);
  });
  return { markup };
}

/** Indentation is for readers of the source; in a page of 500 layers it would be a third of all bytes. */
function compact(template = ''): string {
  return template.replace(/\s*\n\s*/g, '\n');
}

function render(value: Content): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return escape(value);
  if (typeof value === 'number') return String(value);
  if ('markup' in value) return value.markup;
  return value.map(render).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** A table in a box of its own that scrolls sideways in a narrow window. */
export function table(head: readonly Content[], rows: readonly (readonly Content[])[]): Markup {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${head.map((cell) => html`<th scope="col">${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${rest.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
