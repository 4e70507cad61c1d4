// Holds an HTML report to WCAG 2.2 AA in a real browser, light and dark, wide and narrow, closed and open, and to
// its promise to need neither network nor script: `node accessible.mjs REPORT.html...`, with axe-core and
// puppeteer-core to be found from the working folder, and Chromium installed.
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const find = createRequire(resolve('package.json'));
const puppeteer = find('puppeteer-core');
const axe = find.resolve('axe-core/axe.min.js');
const chromium = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path));
if (!chromium) throw new Error('no Chromium: install it, or say where it is in CHROMIUM');

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// Section 1.4.10 of WCAG 2.2: no scrolling in two dimensions at 320 CSS pixels.
const WIDTHS = [1280, 320];

const reports = process.argv.slice(2);
if (reports.length === 0) throw new Error('no report is named');
const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox'] });
let [looks, wrong] = [0, 0];
const complain = (place, text) => { wrong += 1; console.error(`${place}: ${text}`); };
for (const report of reports) {
  const address = pathToFileURL(resolve(report)).href;
  for (const width of WIDTHS) for (const scheme of ['light', 'dark']) for (const open of [false, true]) {
    const place = `${report}, ${width} px, ${scheme}, ${open ? 'opened' : 'as it comes'}`;
    const page = await browser.newPage();
    await page.setBypassCSP(true);
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    page.on('request', (request) => { if (request.url() !== address) complain(place, `asks for ${request.url()}`); });
    await page.goto(address);
    const scripts = await page.$$eval('script, link, iframe, [onclick], [onload]', (found) => found.length);
    if (scripts > 0) complain(place, `${scripts} elements that load or run something`);
    const across = await page.evaluate(() => document.documentElement.scrollWidth);
    if (across > width) complain(place, `${across} px wide`);
    if (open) await page.$$eval('details', (all) => all.forEach((one) => { one.open = true; }));
    await page.addScriptTag({ path: axe });
    const found = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules }), RULES);
    looks += found.passes.length;
    for (const violation of found.violations) {
      complain(place, `${violation.id}: ${violation.help}, at ${violation.nodes.slice(0, 3).map((node) => node.target).join(' and ')}`);
    }
    if (found.passes.length < 20) complain(place, `only ${found.passes.length} rules had anything to look at`);
    await page.close();
  }
}
await browser.close();
console.log(`${reports.length} reports, ${looks} rules passed, ${wrong} complaints`);
process.exit(wrong > 0 ? 1 : 0);
