import { describe, expect, it } from 'vitest';
import { octet } from './runCli.ts';

const commands = ['serve', 'quantize', 'evaluate', 'inspect', 'whitepaper', 'bench'];

describe('octet', () => {
  it('lists its commands', async () => {
    const { code, stdout } = await octet(['--help']);
    expect(code).toBe(0);
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it('asks for a command when there is none', async () => {
    const { code, stdout } = await octet([]);
    expect(code).toBe(2);
    expect(stdout).toContain('Usage: octet <command>');
  });

  it('names what it does not know, in one line', async () => {
    const { code, stdout, stderr } = await octet(['frobnicate']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^octet: unknown command 'frobnicate'; allowed: serve, quantize, [a-z, ]+\.\n$/);
  });

  it('says what to do on an older Node, before it loads anything', async () => {
    const pretend = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})`;
    const { code, stdout, stderr } = await octet(['inspect', 'x.onnx'], {
      nodeFlags: ['--import', `data:text/javascript,${pretend}`],
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('octet needs Node 24 or newer, and this is Node 20.1.0');
    expect(stderr).toContain('npm ci');
  });
});

describe.each(commands)('octet %s', (name) => {
  it('has help', async () => {
    const { code, stdout } = await octet([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: octet ${name}`));
  });

  it('refuses an option it does not know with exit code 2', async () => {
    const { code, stdout, stderr } = await octet([name, '--frobnicate']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain("'--frobnicate'");
  });
});

describe.each(commands.filter((name) => name !== 'serve'))('octet %s', (name) => {
  it('asks for the file when it is missing', async () => {
    const { code, stderr } = await octet([name]);
    expect(code).toBe(2);
    expect(stderr).toContain('<model.onnx> is missing');
  });
});
