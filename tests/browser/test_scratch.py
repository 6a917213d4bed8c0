from tests.browser.conftest import FLAGS
def test_notices(invite, playwright, chromium_path, city):
    r = invite(); r.context.route("**/map/config.json", lambda route: route.abort()); r.page.goto(city.address+"/map"); r.page.wait_for_timeout(1500); r.page.screenshot(path="/work/tmp/pagedev/shots/n_server.png"); print("NOTICE", r.page.locator("#notice").text_content())
    b = playwright.chromium.launch(executable_path=chromium_path, args=[*FLAGS,"--disable-3d-apis"])
    r2 = invite(b); r2.page.goto(city.address+"/map"); r2.page.wait_for_timeout(1500); print("NOTICE", r2.page.locator("#notice").text_content(), r2.complaints[:2])
    r.complaints.clear(); r2.complaints.clear(); 
