import { describe, expect, it } from 'vitest';
import { ConfigError, configHelp, loadConfig } from '../../src/config.ts';

describe('loadConfig', () => {
  it('has the defaults of the product', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ role: 'all', host: '127.0.0.1', port: 8080, dataDir: './octet-data' });
    expect(config.access).toEqual({ mode: 'auto', token: undefined });
    expect(Object.isFrozen(config) && Object.isFrozen(config.limits)).toBe(true);
  });

  it('takes a flag before the environment, and the environment before the default', () => {
    const environment = { OCTET_PORT: '1000', OCTET_HOST: '0.0.0.0', OCTET_DATA_DIR: '/data', OCTET_MAX_MODEL: '3' };
    const config = loadConfig(environment, ['--port', '0', '--data-dir=/other']);
    expect(config).toMatchObject({ port: 0, host: '0.0.0.0', dataDir: '/other' });
    expect(config.limits.modelBytes).toBe(3 * 1_048_576);
  });

  it('takes an empty variable for an absent one', () => {
    expect(loadConfig({ OCTET_PORT: '', OCTET_TOKEN: '' })).toMatchObject({ port: 8080, access: { token: undefined } });
  });

  it('names every bad setting, but never the token', () => {
    const environment = { OCTET_PORT: '70000', OCTET_ENGINE_TIER: 'fast', OCTET_TOKEN: 'short-secret' };
    let message = '';
    try {
      loadConfig(environment);
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      message = (error as Error).message;
    }
    expect(message).toMatch(/OCTET_PORT is '70000'.*65535/);
    expect(message).toMatch(/OCTET_ENGINE_TIER is 'fast'.*reference/);
    expect(message).toContain('OCTET_TOKEN is set');
    expect(message).not.toContain('short-secret');
  });

  it('refuses flags it does not know, with the help', () => {
    expect(() => loadConfig({}, ['--prot', '1'])).toThrow(/--prot[^]*OCTET_PORT/);
    expect(() => loadConfig({}, ['--role', 'boss'])).toThrow(/allowed: all, worker/);
  });

  it('explains each variable in the help', () => {
    for (const line of configHelp()
      .split('\n')
      .filter((text) => text.startsWith('  OCTET_')))
      expect(line).toMatch(/ \w.{5}/);
  });
});
